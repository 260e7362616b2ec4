package sentinelrules

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"stanch/playbooks"
)

// Rule is what became of an automation rule.
type Rule struct {
	ID      string `json:"id"`             // its name in Sentinel
	Title   string `json:"title"`          // as people see it
	Name    string `json:"rule,omitempty"` // its name in the language; "": nothing was written
	Order   int    `json:"order,omitempty"`
	Enabled bool   `json:"enabled"`
	Notes   []Note `json:"notes"`
	Text    []byte `json:"-"` // the file, in the form of the language
}

// Note is one thing of a rule that was not carried over as it is.
type Note struct {
	Part   string `json:"part"`   // of the automation rule
	Effect string `json:"effect"` // Skipped, Off, LeftOut, Differs, Warned
	Why    string `json:"why"`
	Do     string `json:"do"` // what to do instead
}

// Effects of what could not be carried over.
const (
	Skipped = "not written"       // there is no rule
	Off     = "not enabled"       // the rule is there, and does nothing
	LeftOut = "left out"          // the rule does the rest
	Differs = "carried otherwise" // with a difference
	Warned  = "warned about"      // it is carried over as it is; `stanch lint` warns of it
)

func off(part, why, do string) *Note { return &Note{part, Off, why, do} }

// Options say what rules are made for.
type Options struct {
	// Runs are playbooks by the name of the Logic App whose work they do, in any
	// case. A Logic App that is called as one of Known needs no entry.
	Runs  map[string]string
	Known []string // ids of playbooks
	Now   time.Time
	World playbooks.World // what rules are checked against
}

// Translate makes rules of automation rules, in the order in which they run.
// What it writes has no findings of `stanch lint` but warnings of what the
// automation rule itself says, which are noted.
func Translate(sources []Source, o Options) []Rule {
	inOrder := slices.Clone(sources)
	slices.SortStableFunc(inOrder, func(a, b Source) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.rule.When, b.rule.When), cmp.Compare(a.title, b.title), cmp.Compare(a.ID, b.ID))
	})
	orders := placed(inOrder)
	names := map[string]bool{}
	out := []Rule{}
	for i, s := range inOrder {
		t := translation{source: s, options: o, rule: Rule{ID: s.ID, Title: s.title, Order: orders[i], Notes: []Note{}}}
		if tied := sharing(inOrder, s); tied > 1 {
			t.note(Note{"order", Differs, fmt.Sprintf("%d rules have the order %d: Sentinel draws which is first", tied, s.order), fmt.Sprintf("nothing, if %d will do", orders[i])})
		}
		t.rule.Name = named(s, names)
		t.translate()
		out = append(out, t.rule)
	}
	return out
}

// sharing counts the rules that Sentinel runs in a drawn order with this one.
func sharing(all []Source, one Source) (n int) {
	for _, s := range all {
		if s.order == one.order && s.rule.When == one.rule.When && s.rule.On == one.rule.On {
			n++
		}
	}
	return n
}

// placed gives each rule an order of its own: its own one, stretched where some
// share one.
func placed(inOrder []Source) []int {
	room, same := 1, 0
	for i, s := range inOrder {
		if same++; i == 0 || s.order != inOrder[i-1].order {
			same = 1
		}
		for same > room {
			room *= 10
		}
	}
	orders := make([]int, len(inOrder))
	for i, s := range inOrder {
		orders[i] = s.order * room
		if i > 0 && s.order == inOrder[i-1].order {
			orders[i] = orders[i-1] + 1
		}
	}
	return orders
}

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// named makes a name of a title, which no other rule has.
func named(s Source, taken map[string]bool) string {
	base := cmp.Or(slug(s.title), slug("rule "+s.ID))
	name := base
	for n := 2; taken[name]; n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	taken[name] = true
	return name
}

func slug(title string) string {
	s := strings.Trim(notInName.ReplaceAllString(strings.ToLower(title), "-"), "-")
	if len(s) > 56 {
		s = strings.Trim(s[:56], "-")
	}
	return s
}

// translation is the making of one rule.
type translation struct {
	source  Source
	options Options
	rule    Rule
	parts   []expr   // of the condition, which must all hold
	then    []entry  // what it does
	expires string   // when it ends; "": never, or it has
	expired string   // when it ended
	undone  []string // what Sentinel does and this does not
}

func (t *translation) note(n Note) { t.rule.Notes = append(t.rule.Notes, n) }

// skip says that nothing is written.
func (t *translation) skip(part, why, do string) {
	t.rule.Name, t.rule.Order = "", 0
	t.note(Note{part, Skipped, why, do})
}

func (t *translation) translate() {
	s := t.source.rule
	switch {
	case s.On != "Incidents":
		t.skip("trigger "+s.On, "rules are asked about incidents alone", "give the playbook a trigger of its own: on: {alert: …}")
		return
	case s.When != "Created" && s.When != "Updated":
		t.skip("trigger "+s.When, "incidents are created and updated", "write the rule by hand")
		return
	}
	t.expiry()
	if s.When == "Updated" && !t.toldByChange(s.Conditions) {
		t.parts = append(t.parts, expr{updates(), ""})
		t.note(Note{"trigger Updated", Differs, "the rule is also asked where a tag or comment was only removed", "nothing, if that is enough"})
	}
	parts, _ := t.conditions(s.Conditions, 1)
	t.parts = append(t.parts, parts...)
	t.actions()
	if len(t.then) == 0 {
		t.instead()
	}
	t.rule.Enabled = s.Enabled && t.expired == "" && !slices.ContainsFunc(t.rule.Notes, func(n Note) bool { return n.Effect == Off })
	t.write()
}

// toldByChange reports whether one of the conditions that must all hold asks for
// a change that Sentinel asks rules about.
func (t *translation) toldByChange(list []condition) bool {
	return slices.ContainsFunc(list, func(c condition) bool { return c.Type == "PropertyChanged" || c.Type == "PropertyArrayChanged" })
}

// expiry reads when the rule ends.
func (t *translation) expiry() {
	text := t.source.rule.Expires
	if text == "" {
		return
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		at, err = time.Parse("2006-01-02T15:04:05.999999999", text) // UTC, as ARM writes it at times
	}
	switch ends := at.UTC().Format(time.RFC3339); {
	case err != nil:
		t.note(*off("expirationTimeUtc", fmt.Sprintf("%q is no time", text), "say until when the rule holds, and enable it"))
	case at.After(t.options.Now):
		t.expires = ends
	default:
		t.expired = ends
	}
}
