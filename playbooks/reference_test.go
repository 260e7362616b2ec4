package playbooks

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// Every example of the manual can be copied: a whole playbook, or steps of one.
func TestTheManualsExamplesHaveNoFindings(t *testing.T) {
	manual, _, _ := strings.Cut(Reference(), "\n## Tests")
	blocks := yamlBlock.FindAllStringSubmatch(manual, -1)
	if len(blocks) < 12 {
		t.Fatalf("%d examples", len(blocks))
	}
	kinds := map[Kind]bool{}
	for _, block := range blocks {
		text := block[1]
		if strings.HasPrefix(text, "- ") {
			text = "playbook: example\non: {incident: {}}\nguardrails: {max_targets: {devices: 5}}\nsteps:\n  " +
				strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
		}
		p, findings := LoadAndCheck("reference.yaml", []byte(text), testWorld())
		if len(findings) > 0 {
			t.Errorf("%s\n%s", text, allText(findings))
			continue
		}
		p.Walk(func(_ string, s *Step) { kinds[s.Kind] = true })
	}
	for _, sh := range shapes() {
		if !kinds[sh.kind] {
			t.Errorf("no example of %s", sh.key)
		}
	}
}

// The manual names every key of a playbook and of every step.
func TestTheManualNamesEveryKey(t *testing.T) {
	keys := slices.Concat(playbookPlace().keys, stepKeys(), []string{
		"max_targets", "protect", "key", "when_busy", "attempts", "backoff", "initial", "cap", "jitter",
		"ask", "targets", "covers", "approvers", "quorum", "remind", "on_timeout", "on_reject", "form",
		"until", "event", "since", "data", "every", "times", "events", "changes", "cron", "zone", "misfire", "dst", "jitter",
		"source", "query", "let", "columns", "start", "max_rows", "path", "auth", "body", "subject", "format",
	}, triggerNames())
	for _, key := range keys {
		if !strings.Contains(Reference(), "`"+key+"`") && !strings.Contains(Reference(), "\n### "+key) {
			t.Errorf("%s is not explained", key)
		}
	}
}

// The table of functions is that of the library; -update writes it.
func TestTheManualListsTheLibrary(t *testing.T) {
	const from, to = "<!-- functions -->\n", "<!-- end of functions -->"
	head, rest, ok := strings.Cut(Reference(), from)
	table, tail, ended := strings.Cut(rest, to)
	if !ok || !ended {
		t.Fatal("the manual has no place for the functions")
	}
	if table == LibraryTable() {
		return
	}
	if !*update {
		t.Fatal("the table of functions is old: go test -run ManualLists -update")
	}
	if err := os.WriteFile("reference.md", []byte(head+from+LibraryTable()+to+tail), 0o600); err != nil {
		t.Fatal(err)
	}
}
