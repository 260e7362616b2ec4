package sentinelrules

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"stanch/playbooks"
)

// write makes the file. Where the language does not take the condition, which
// can only be too long for it, the rule goes without and does not hold.
func (t *translation) write() {
	why := t.tryWrite()
	if why == nil {
		return
	}
	t.parts = nil
	t.note(*off("conditions", "the language does not take them: "+why.Error(), "split the rule, or keep its values in a list of lists/*.yaml"))
	t.rule.Enabled = false
	if err := t.tryWrite(); err != nil {
		t.skip("rule", "the language does not take it: "+err.Error(), "write the rule by hand")
		t.rule.Enabled, t.rule.Text = false, nil
	}
}

func (t *translation) tryWrite() error {
	text, found := playbooks.Format(t.rule.Name+".yaml", []byte(t.draft()))
	if len(found) > 0 {
		return fmt.Errorf("%s", found[0].Message)
	}
	w := t.options.World
	w.Calls = nil // a playbook may be written after the rule
	r, found := playbooks.LoadRule(t.rule.Name+".yaml", text)
	if r != nil {
		found = append(found, playbooks.CheckRules([]*playbooks.Rule{r}, w, t.options.Now)...)
	}
	if at := slices.IndexFunc(found, func(f playbooks.Finding) bool { return f.Severity == playbooks.SeverityError }); at >= 0 {
		return fmt.Errorf("%s", found[at].Message)
	}
	t.rule.Text = text
	for _, f := range found {
		t.note(Note{"rule", Warned, f.Message, f.Hint})
	}
	return nil
}

// draft is the file before it is formatted.
func (t *translation) draft() string {
	var b strings.Builder
	comment := func(format string, args ...any) {
		b.WriteString("# " + oneLine(fmt.Sprintf(format, args...)) + "\n")
	}
	comment("Automation rule %s of Microsoft Sentinel, order %d: %s", t.source.ID, t.source.order, t.rule.Title)
	if t.expired != "" {
		comment("It expired there at %s.", t.expired)
	}
	for _, n := range t.rule.Notes {
		comment("%s, %s: %s. Instead: %s.", n.Part, n.Effect, n.Why, n.Do)
	}
	fmt.Fprintf(&b, "\nrule: %s\ntitle: %q\norder: %d\n", t.rule.Name, strings.ReplaceAll(oneLine(t.rule.Title), "${{", "{{"), t.rule.Order)
	if !t.rule.Enabled {
		b.WriteString("enabled: false\n")
	}
	if t.expires != "" {
		fmt.Fprintf(&b, "expires: %q\n", t.expires)
	}
	fmt.Fprintf(&b, "on: [%s]\n", strings.ToLower(t.source.rule.When))
	if len(t.parts) > 0 {
		b.WriteString("if: >-\n")
		for i, p := range t.parts {
			and := map[bool]string{true: "and "}[i > 0]
			text := p.text
			if len(t.parts) > 1 {
				text = p.inside("and")
			}
			b.WriteString("  " + and + text + "\n")
		}
	}
	b.WriteString("then:\n")
	for _, e := range t.then {
		b.WriteString(e.line() + "\n")
	}
	return b.String()
}

// oneLine is a text that ends no comment before its end.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsPrint(r) && r != ' ' {
			return ' '
		}
		return r
	}, s)
	return strings.Join(slices.DeleteFunc(strings.Split(s, " "), func(w string) bool { return w == "" }), " ")
}
