package playbooks

import (
	"slices"
	"strings"
	"sync"
)

// A form says what may stand behind a key.
type form struct {
	kind  formKind
	words []string // formWord, formWords: one of these
	names []string // formNames, formNumbers: the keys, if they are closed
	place string   // formPlace, formNamed: the place of the mapping
	other *form    // or this
	least int      // formWhole
	most  int
}

type formKind int

const (
	formText     formKind = iota // literal text
	formProse                    // text with ${{ }}
	formQuestion                 // a bare expression
	formData                     // any data with ${{ }}
	formDuration                 // 30s, 5m, 4h, 2d, or ${{ }}
	formTime                     // ${{ }} that gives a time
	formWhole                    // a whole number
	formNumber
	formBoolean
	formWord      // one of a few words
	formWords     // a list of such
	formTexts     // a list of literal texts
	formList      // any list of constants
	formPlace     // a mapping with the keys of a place
	formNamed     // a mapping of names to mappings of a place
	formQuestions // a mapping of names to expressions
	formTemplates // a mapping of names to data with ${{ }}
	formNumbers   // a mapping of names to whole numbers
	formTextLists // a mapping of names to lists of texts
	formTypes     // a mapping of names to types
	formType      // a type: a name, a list of one, or a mapping of fields
	formSteps     // a list of steps
	formAction    // the name of an action
	formWith      // what the action of the step, or the playbook called, takes
	formPlaybook  // the id of a playbook
	formStepIDs   // a list of ids of steps
	formValue     // a constant of the param's type
)

// keyword is a key of the language.
type keyword struct {
	name string
	form form
	doc  string
	must bool
}

// placed are the keys of a mapping of the language, in the order in which they
// are written.
type placed struct {
	doc  string
	keys []keyword
}

func (p placed) key(name string) (keyword, bool) {
	i := slices.IndexFunc(p.keys, func(k keyword) bool { return k.name == name })
	if i < 0 {
		return keyword{}, false
	}
	return p.keys[i], true
}

func (p placed) names() []string {
	names := make([]string, len(p.keys))
	for i, k := range p.keys {
		names[i] = k.name
	}
	return names
}

// grammar is what an editor and a formatter know of the structure of playbooks:
// which keys a mapping has, in which order, what stands behind them and what
// they mean. A test holds it against the loader, key by key.
var grammar = sync.OnceValue(func() map[string]placed {
	all := map[string]placed{}
	for _, part := range []func() map[string]placed{grammarHead, grammarTriggers, grammarSteps, grammarParts, grammarFiles} {
		for name, p := range part() {
			all[name] = p
		}
	}
	return all
})

func textForm() form              { return form{kind: formText} }
func proseForm() form             { return form{kind: formProse} }
func questionForm() form          { return form{kind: formQuestion} }
func lastingForm() form           { return form{kind: formDuration} }
func wordForm(all ...string) form { return form{kind: formWord, words: all} }
func wordsForm(all ...string) form {
	return form{kind: formWords, words: all}
}
func wholeForm(least, most int) form { return form{kind: formWhole, least: least, most: most} }
func placeForm(place string) form    { return form{kind: formPlace, place: place} }
func stepsForm() form                { return form{kind: formSteps, least: 1} }

func (f form) or(other form) form {
	f.other = &other
	return f
}

func grammarHead() map[string]placed {
	return map[string]placed{
		"playbook": {"One playbook: what starts it, what it does, and its limits.", []keyword{
			{"language", wholeForm(1, 1), "The version of the language: 1.", false},
			{"playbook", textForm(), "The id of the playbook, unique, in kebab-case.", true},
			{"title", textForm(), "What people read in lists and approvals.", false},
			{"description", textForm(), "What it is for, in a few sentences.", false},
			{"status", wordForm("draft", "test", "stable", "deprecated"), "How ready it is: a draft never runs live, test runs as shadow.", false},
			{"owner", textForm(), "Who answers for it: a mail address or a team.", false},
			{"tags", form{kind: formTexts}, "Words to find it by, in kebab-case.", false},
			{"on", placeForm("on"), "What starts the playbook. May be left out of one that is only called.", false},
			{"params", form{kind: formNamed, place: "param"}, "Typed inputs. Expressions read them as `params.NAME`.", false},
			{"guardrails", placeForm("guardrails"), "Limits of one run. The operator's stand beside them; the stricter wins.", false},
			{"concurrency", placeForm("concurrency"), "What becomes of runs that share a key. Default: playbook and subject, queued.", false},
			{"timeout", lastingForm(), "How long a run may last, waits and approvals included.", false},
			{"steps", stepsForm(), "What the playbook does, from top to bottom.", true},
			{"on_failure", form{kind: formSteps}, "Steps that run when the run fails. They know `error`, and every step may be absent.", false},
			{"finally", form{kind: formSteps}, "Steps that run however the run has ended, after on_failure.", false},
			{"outputs", form{kind: formQuestions}, "What the run answers: an expression per name, computed when the last step has settled.", false},
		}},
		"param": {"A typed input of the playbook.", []keyword{
			{"type", form{kind: formType}, "The type: string, integer, number, boolean, duration, time, size, an entity such as user or file, or `[TYPE]` for a list.", true},
			{"default", form{kind: formValue}, "The value when none is given. Without it the param is required.", false},
			{"required", form{kind: formBoolean}, "false: it may be left out, and then is absent.", false},
			{"minimum", form{kind: formValue}, "The least that a number, size or duration may be.", false},
			{"maximum", form{kind: formValue}, "The most that a number, size or duration may be.", false},
			{"enum", form{kind: formList}, "The only values it may have; of a list, its items.", false},
			{"min_length", wholeForm(0, maxParamText), "The least characters of a text.", false},
			{"max_length", wholeForm(1, maxParamText), "The most characters of a text.", false},
			{"pattern", textForm(), "A regular expression (RE2) that is found in a text; ^ and $ bind it to the whole.", false},
			{"format", wordForm(ParamFormats()...), "What kind of text it is.", false},
			{"min_items", wholeForm(0, maxParamItems), "The least items of a list.", false},
			{"max_items", wholeForm(1, maxParamItems), "The most items of a list.", false},
			{"unique", form{kind: formBoolean}, "true: no item of a list comes twice.", false},
			{"description", textForm(), "What people are told who fill it in.", false},
		}},
		"guardrails": {"Limits of one run.", []keyword{
			{"max_targets", form{kind: formNumbers, names: []string{"files", "users", "devices", "sites", "mailboxes", "labels", "incidents"}}, "The most targets, by kind, that the effects of a run may have.", false},
			{"protect", form{kind: formTextLists, names: []string{"users", "sites", "devices", "files", "labels", "mailboxes"}}, "What no effect may touch, by kind.", false},
		}},
		"concurrency": {"What becomes of runs that share a key.", []keyword{
			{"key", proseForm(), "Runs with the same key are not at work at the same time.", false},
			{"when_busy", wordForm("queue", "skip", "replace"), "What becomes of a run whose key is busy: it waits, is left out, or takes the place of the one at work.", false},
		}},
	}
}

func grammarTriggers() map[string]placed {
	condition := keyword{"if", questionForm(), "The condition: the playbook starts when it is true.", false}
	schedule := []keyword{
		{"cron", textForm(), "When: five fields (minute hour day month weekday), quoted.", true},
		{"zone", textForm(), "The time zone, such as Europe/Berlin; default UTC.", false},
		{"misfire", wordForm("once", "skip", "all"), "What becomes of times for which nobody was there.", false},
		{"dst", wordForm("once", "skip"), "What becomes of a time that a change of the clock leaves out.", false},
		{"jitter", lastingForm(), "Spreads the start over so long.", false},
	}
	return map[string]placed{
		"on": {"What starts the playbook.", []keyword{
			{"incident", placeForm("on.incident"), "An incident that is new or has changed. Gives `incident`, `evidence`, `event`.", false},
			{"alert", placeForm("on.alert"), "An alert that is new, or of which the audit log tells more. Gives `alert` and its `evidence`.", false},
			{"schedule", placeForm("on.schedule"), "Times of a cron table. Gives `event.scheduled_at`.", false},
			{"hunting", placeForm("on.hunting"), "Rows of a query that runs at times. Gives `event.row` or `event.rows`.", false},
			{"webhook", placeForm("on.webhook"), "A signed request to /hooks/PATH. Gives `event.body`.", false},
			{"manual", placeForm("on.manual"), "A person starts it, by default on an incident. Gives `event.by`, `event.reason`.", false},
		}},
		"on.incident": {"An incident that is new or has changed.", []keyword{
			{"events", wordsForm("created", "updated"), "Which events start it; default both.", false},
			{"changes", wordsForm(incidentChanges()...), "What an update must have changed; default alerts, evidence, severity.", false},
			condition,
		}},
		"on.alert": {"An alert that is new, or of which the audit log tells more.", []keyword{
			{"events", wordsForm(alertEvents()...), "Which events start it; default created. An alert starts it once.", false},
			condition,
		}},
		"on.schedule": {"Times of a cron table.", append(slices.Clone(schedule), condition)},
		"schedule":    {"When the query runs.", schedule},
		"on.hunting": {"Rows of a query that runs at times.", []keyword{
			{"schedule", placeForm("schedule"), "When the query runs.", true},
			{"source", wordForm("defender", "logs"), "Where it runs: advanced hunting, or the workspace of logs.", false},
			{"query", textForm(), "The query in KQL. Values enter it by `let` alone.", true},
			{"let", form{kind: formTemplates}, "Names in the query and what they stand for.", false},
			{"columns", form{kind: formTypes}, "Name and type of the columns that the query answers.", false},
			{"key", form{kind: formTexts}, "Columns by which a row is known again; default all.", false},
			{"start", wordForm("each_row", "batch"), "A run for each row, or one for all.", false},
			{"max_rows", wholeForm(1, 10_000), "The most rows; default 500.", false},
			condition,
		}},
		"on.webhook": {"A signed request to /hooks/PATH.", []keyword{
			{"path", textForm(), "The last part of the address.", true},
			{"auth", wordForm(hookProofs()...), "How a sender shows who it is: by a signature, by the secret itself, or as Microsoft Graph does; default hmac.", false},
			{"body", form{kind: formType}, "The fields of the request and their types.", false},
			condition,
		}},
		"on.manual": {"A person starts it.", []keyword{
			{"subject", wordForm("incident", "alert", "user", "file", "device", "mailbox", "none"), "On what it is started; `subject` is that entity.", false},
		}},
	}
}

// String is the form in words, as hover and completion show it.
func (f form) String() string {
	words := [...]string{
		formText: "text", formProse: "text with ${{ }}", formQuestion: "expression", formData: "data with ${{ }}",
		formDuration: "duration: 30s, 5m, 4h, 2d", formTime: "${{ time }}", formWhole: "integer", formNumber: "number",
		formBoolean: "true | false", formTexts: "list of texts", formList: "list", formPlace: "mapping",
		formNamed: "mapping by name", formQuestions: "mapping of names to expressions",
		formTemplates: "mapping of names to data", formNumbers: "mapping of kinds to integers",
		formTextLists: "mapping of kinds to lists", formTypes: "mapping of names to types", formType: "type",
		formSteps: "list of steps", formAction: "action", formWith: "params of the action", formPlaybook: "playbook",
		formStepIDs: "list of step ids", formValue: "value of the param's type",
	}
	var text string
	switch f.kind {
	case formWord:
		text = strings.Join(f.words, " | ")
	case formWords:
		text = "list of " + strings.Join(f.words, " | ")
	default:
		text = words[f.kind]
	}
	if f.other != nil {
		text += ", or a " + f.other.String()
	}
	return text
}
