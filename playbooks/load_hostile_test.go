package playbooks

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// patience is how much processor time a file may take.
const patience = time.Second * slowness

// Files made to hurt are refused with a finding, within a second. The numbers
// are those of the list of bad inputs that the product promises to withstand.
func TestHostileFilesAreRefusedInTime(t *testing.T) {
	head := "playbook: bad\non: {manual: {}}\nsteps:\n"
	big := func(s string) string { return strings.Repeat(s, (MaxFileSize-4096)/len(s)) }
	bomb := "a0: &a0 [x]\n"
	for i := range 9 {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 9), ","))
	}
	keys := strings.Builder{}
	for i := range 40000 {
		fmt.Fprintf(&keys, "k%d: x\n", i)
	}
	for name, c := range map[string]struct{ text, code string }{
		"001 alias bomb":             {bomb, "E104"},
		"002 anchor in itself":       {"a: &a [*a]\n", "E104"},
		"003 old crasher":            {"0: [:!00 \xef", "E101"},
		"003 another":                {"[!!0 :]", "E1"},
		"005 nested lists":           {strings.Repeat("[", 10000), "E1"},
		"005 nested closed lists":    {strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "E107"},
		"005 nested mappings":        {strings.Repeat("{a: ", 5000) + "b" + strings.Repeat("}", 5000), "E107"},
		"005 a megabyte of brackets": {big("["), "E1"},
		"005 nested dashes":          {big("- "), "E1"},
		"005 nested questions":       {big("? "), "E1"},
		"006 too large":              {strings.Repeat("# comment\n", MaxFileSize/10+1), "E101"},
		"011 NUL":                    {big("\x00"), "E101"},
		"011 invalid UTF-8":          {big("\xff"), "E101"},
		"016 100,000 steps":          {head + strings.Repeat("- stop: x\n", 100000), "E101"},
		"016 3,000 steps":            {head + strings.Repeat("- stop: x\n", 3000), "E107"},
		"a list of 40,000":           {"tags: [" + strings.Repeat("a, ", 40000) + "a]\n" + head + "- stop: x\n", "E206"},
		"016 nested ifs":             {head + nestedIfs(500), "E107"},
		"many keys":                  {keys.String(), "E107"},
		"many unknown keys":          {"{" + big("aaaa, ") + "}", "E1"},
		"one long line":              {head + "- stop: " + big("x") + "\n- stap: y\n", "E201"},
		"one long quoted text":       {head + "- stop: \"" + big("x ${{ a }} ") + "\"\n", "E303"},
		"a text of opened braces":    {head + "- stop: " + big("${{ ") + "\n", "E415"},
		"a text of quotes":           {head + "- stop: ${{ " + big("'") + "\n", "E4"},
		"a long expression":          {head + "- if: " + big("(") + "\n  stop: x\n", "E302"},
		"a long list":                {"tags: [" + big("a, ") + "a]\n" + head + "- stop: x\n", "E101"},
		"a list of events":           {"playbook: bad\non: {incident: {events: [" + big("created, ") + "]}}\nsteps: [{stop: x}]\n", "E101"},
		"many comments":              {big("#\n"), "E101"},
		"many blank lines":           {big("\n") + "a:\n - b\n- c", "E1"},
		"many documents":             {strings.Repeat("---\n", 40000), "E103"},
		"a key over a megabyte":      {big("k") + ": 1\n", "E1"},
		"a tag over a megabyte":      {"a: !" + big("k") + " 1\n", "E1"},
		"an unclosed quote":          {"a: \"" + strings.Repeat("k \n ", 40000), "E102"},
		"tabs":                       {"a:\n" + big("\t"), "E1"},
	} {
		t.Run(name, func(t *testing.T) {
			begin := spend()
			_, findings := LoadAndCheck("bad.yaml", []byte(c.text), testWorld())
			if took := spend().since(begin).time; took > patience {
				t.Errorf("took %v", took)
			}
			for _, f := range findings {
				if strings.HasPrefix(f.Code, c.code) {
					return
				}
			}
			t.Errorf("no %s among %d findings: %.300s", c.code, len(findings), allText(findings))
		})
	}
}

func nestedIfs(depth int) string {
	var b strings.Builder
	for i := range depth {
		indent := strings.Repeat("  ", i)
		b.WriteString(indent + "- if: true\n" + indent + "  steps:\n")
	}
	b.WriteString(strings.Repeat("  ", depth) + "- stop: x\n")
	return b.String()
}

// What was not looked at never passes: too many expressions, and too many
// warnings to tell, are errors.
func TestWhatWasNotLookedAtIsAnError(t *testing.T) {
	head := "playbook: bad\non: {manual: {}}\nsteps:\n"
	for name, text := range map[string]string{
		"expressions": head + strings.Repeat("  - set: {a: 1, b: 2, c: 3, d: 4, e: 5, f: 6}\n", 900),
		"warnings":    head + strings.Repeat("  - if: true\n    wait: 5m\n", 600) + "  - stop: ${{ incident.nothing }}\n",
	} {
		t.Run(name, func(t *testing.T) {
			begin := spend()
			_, findings := LoadAndCheck("bad.yaml", []byte(text), testWorld())
			if !HasErrors(findings) {
				t.Errorf("no error among %d findings:\n%s", len(findings), allText(findings))
			}
			if took := spend().since(begin).time; took > patience {
				t.Errorf("took %v", took)
			}
		})
	}
}
