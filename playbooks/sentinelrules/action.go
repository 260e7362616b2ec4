package sentinelrules

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// entry is one thing that the rule does.
type entry struct {
	kind  string // update, tag, assign, comment, run
	value any    // map[string]string, []string, string
}

// modification is what ModifyProperties writes.
type modification struct {
	Severity       string `json:"severity"`
	Status         string `json:"status"`
	Classification string `json:"classification"`
	Reason         string `json:"classificationReason"`
	Comment        string `json:"classificationComment"`
	Owner          *struct {
		ObjectID string `json:"objectId"`
		Email    string `json:"email"`
		Name     string `json:"assignedTo"`
		UPN      string `json:"userPrincipalName"`
		Kind     string `json:"ownerType"`
	} `json:"owner"`
	Labels []struct {
		Name string `json:"labelName"`
	} `json:"labels"`
}

// actions carries over what the rule does, in its order.
func (t *translation) actions() {
	list := slices.Clone(t.source.does)
	slices.SortStableFunc(list, func(a, b action) int { return cmp.Compare(a.Order, b.Order) })
	for _, a := range list {
		switch a.Type {
		case "ModifyProperties":
			t.modify(a)
		case "RunPlaybook":
			t.run(a)
		case "AddIncidentTask":
			t.task(a)
		default:
			t.undone = append(t.undone, "did "+quote(a.Type))
			t.note(*off("action "+a.Type, "this kind of action is not known", "write by hand what it does"))
		}
	}
}

func (t *translation) modify(a action) {
	var m modification
	if err := decode(a.Parts, &m); err != nil {
		t.undone = append(t.undone, "changed the incident")
		t.note(*off("action ModifyProperties", "it cannot be read: "+err.Error(), "write by hand what it does"))
		return
	}
	if m.Severity != "" {
		t.undone = append(t.undone, "made the severity "+m.Severity)
		t.note(Note{"action severity " + m.Severity, LeftOut, "Graph lets nobody write the severity of an incident", "tag it; or run a playbook with incidents.update on the incident in Sentinel"})
	}
	if set := t.updates(m); len(set) > 0 {
		t.do("update", set)
	}
	if comment := strings.TrimSpace(m.Comment); comment != "" {
		t.do("comment", literal(comment))
	}
	t.assign(m)
	var tags []string
	for _, l := range m.Labels {
		switch name := strings.TrimSpace(l.Name); {
		case name == "" || slices.Contains(tags, name):
		case strings.Contains(name, "${{"):
			t.undone = append(t.undone, "tagged it "+quote(name))
			t.note(Note{"action labels " + quote(name), LeftOut, "${{ opens an expression, and a tag is literal", "give the tag another name"})
		default:
			tags = append(tags, name)
		}
	}
	if len(tags) > 0 {
		t.do("tag", tags)
	}
}

// updates are the status and verdict that are written.
func (t *translation) updates(m modification) map[string]string {
	set := map[string]string{}
	choose := func(field, value string, words map[string]string) {
		ours, known := words[value]
		switch {
		case value == "" || known && ours == "":
		case known:
			set[field] = ours
		default:
			t.undone = append(t.undone, "made the "+field+" "+quote(value))
			t.note(*off("action "+field+" "+value, "Sentinel has no such word", "write by hand what it does"))
		}
	}
	choose("status", m.Status, map[string]string{"New": "active", "Active": "inProgress", "Closed": "resolved"})
	choose("classification", m.Classification, map[string]string{
		"TruePositive": "truePositive", "FalsePositive": "falsePositive", "BenignPositive": "informationalExpectedActivity", "Undetermined": "",
	})
	if m.Reason == "IncorrectAlertLogic" { // the others are those that Sentinel gives by itself
		t.note(Note{"action classificationReason " + m.Reason, LeftOut, "rules write the determinations of Defender; Sentinel shows a false positive as InaccurateData", "nothing, if that is enough"})
	}
	return set
}

func (t *translation) assign(m modification) {
	if m.Owner == nil {
		return
	}
	who := cmp.Or(m.Owner.UPN, m.Owner.Email)
	if who == "" && strings.Contains(m.Owner.Name, "@") {
		who = m.Owner.Name
	}
	switch {
	case m.Owner.Kind == "Group":
		t.undone = append(t.undone, "assigned it to the group "+quote(cmp.Or(m.Owner.Name, who, m.Owner.ObjectID)))
		t.note(Note{"action owner", LeftOut, "incidents are assigned to people, not to groups", "assign it to one of them: assign: name@example.com"})
	case strings.TrimSpace(who) != "":
		t.do("assign", literal(strings.TrimSpace(who)))
	case m.Owner.Name != "" || m.Owner.ObjectID != "":
		t.undone = append(t.undone, "assigned it to "+quote(cmp.Or(m.Owner.Name, m.Owner.ObjectID)))
		t.note(Note{"action owner", LeftOut, "it names the owner without a user principal name", "write it: assign: name@example.com"})
	default:
		t.undone = append(t.undone, "took it from its owner")
		t.note(Note{"action owner", LeftOut, "rules assign an incident to somebody, not to nobody", "nothing, if that is enough"})
	}
}

// do appends an entry. A rule updates and assigns once: a second time is joined
// with the first if nothing that is between can see the difference.
func (t *translation) do(kind string, value any) {
	at := slices.IndexFunc(t.then, func(e entry) bool { return e.kind == kind })
	if at < 0 || kind != "update" && kind != "assign" {
		t.then = append(t.then, entry{kind, value})
		return
	}
	if slices.ContainsFunc(t.then[at:], func(e entry) bool { return e.kind == "run" }) {
		t.undone = append(t.undone, "did a second "+kind+" behind a playbook")
		t.note(*off("action "+kind+" twice", "a rule does that once; here a playbook runs between", "do the second in the playbook, or in a rule behind this one"))
		return
	}
	if kind == "assign" {
		t.then[at].value = value
		return
	}
	for field, v := range value.(map[string]string) {
		t.then[at].value.(map[string]string)[field] = v
	}
}

// run begins the playbook that does the work of the Logic App.
func (t *translation) run(a action) {
	var p struct {
		App string `json:"logicAppResourceId"`
	}
	if err := decode(a.Parts, &p); err != nil || p.App == "" {
		t.undone = append(t.undone, "ran a Logic App")
		t.note(*off("action RunPlaybook", "it does not name a Logic App", "say which playbook runs: run: name"))
		return
	}
	app := logicApp(p.App)
	for name, book := range t.options.Runs {
		if strings.EqualFold(name, app) {
			t.do("run", book)
			return
		}
	}
	for _, id := range t.options.Known {
		if strings.EqualFold(id, app) {
			t.do("run", id)
			return
		}
	}
	t.undone = append(t.undone, "ran the Logic App "+app)
	t.note(*off("action RunPlaybook "+app, "no playbook is said to do its work, and the actions behind it may count on that", "write one, and import with --run "+quote(app+"=its-name")))
}

// logicApp is the name of a Logic App in its resource id; in an exported
// template that is an expression around it.
func logicApp(id string) string {
	name := strings.TrimRight(id, "'\"])/ ")
	if at := strings.LastIndexAny(name, "/'\""); at >= 0 {
		name = name[at+1:]
	}
	return name
}

func (t *translation) task(a action) {
	var p struct {
		Title string `json:"title"`
		Text  string `json:"description"`
	}
	if err := json.Unmarshal(a.Parts, &p); err != nil {
		p.Title = "?"
	}
	text := p.Title
	if p.Text != "" {
		text += ": " + p.Text
	}
	t.undone = append(t.undone, "added the task "+quote(text))
	t.note(Note{"action AddIncidentTask " + quote(p.Title), LeftOut, "incidents have no tasks here", "let a comment say it, or ask a person in a playbook with approve"})
}

// instead makes a rule that has nothing left to do one that says what Sentinel
// did, and does not hold: the file is there to go on with.
func (t *translation) instead() {
	if len(t.undone) == 0 {
		t.undone = []string{"did nothing"}
	}
	t.do("comment", literal("In Sentinel this rule "+strings.Join(t.undone, ", ")+"."))
	t.note(*off("actions", "none of them can be carried over", "let `then` say what is to be done, and enable the rule"))
}

// literal is a text in which nothing is evaluated.
func literal(s string) string { return strings.ReplaceAll(s, "${{", "$${{") }

// line is an entry as YAML.
func (e entry) line() string {
	text, err := json.Marshal(e.value) // JSON is YAML
	if err != nil {
		panic(fmt.Sprintf("texts as JSON: %v", err)) // texts always are
	}
	return "  - " + e.kind + ": " + string(text)
}
