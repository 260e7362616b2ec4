package playbooks

import "slices"

// grammarSteps are the keys of a step of any kind, in the order in which they
// are written: name, condition, what it is, what belongs to that, and what
// becomes of failures.
func grammarSteps() map[string]placed {
	return map[string]placed{"step": {"A step is one thing: an action, values, a list of steps, a loop, a question, a wait, or an end.", []keyword{
		{"id", textForm(), "The name by which expressions read its output: `steps.ID`. Unique in the playbook.", false},
		{"title", proseForm(), "What people read of the step; `${{ }}` allowed.", false},
		{"if", questionForm(), "The step runs when this is true. Below, its output may be absent.", false},
		{"uses", form{kind: formAction}, "The action that runs.", false},
		{"set", form{kind: formQuestions}, "Values to keep, an expression per name: `vars.NAME` below.", false},
		{"for_each", questionForm(), "The list, or mapping, whose items the steps run for.", false},
		{"parallel", stepsForm(), "Branches that run at the same time, one step each.", false},
		{"approve", placeForm("approve"), "Asks people before the covered steps may have effects.", false},
		{"wait", lastingForm().or(placeForm("wait")), "Lets time pass: a duration, until a time, or for an event.", false},
		{"repeat", placeForm("repeat"), "Runs steps again and again until a condition holds.", false},
		{"call", form{kind: formPlaybook}, "Runs another playbook inside this run.", false},
		{"stop", proseForm(), "Ends the item as skipped, or the run as succeeded; the text says why.", false},
		{"fail", proseForm(), "Ends the item, or the run, as failed; the text says why.", false},
		{"as", textForm(), "The name of the item; default `item`.", false},
		{"index", textForm(), "The name of the position, from 0.", false},
		{"batch", wholeForm(1, 1000), "Takes so many items at once; the item is then a list.", false},
		{"max_parallel", wholeForm(1, 256), "How many items run at the same time; default 8.", false},
		{"with", form{kind: formWith}, "What the action, or the playbook called, is given.", false},
		{"for", lastingForm(), "How long the effect lasts: after that its inverse runs.", false},
		{"steps", stepsForm(), "The steps, from top to bottom.", false},
		{"else", stepsForm(), "What runs when `if` is false.", false},
		{"collect", form{kind: formQuestions}, "What each item that succeeded gives: an expression per field, in `steps.ID.items`.", false},
		{"retry", placeForm("retry"), "When a failed attempt is made again.", false},
		{"timeout", lastingForm(), "How long: one attempt of an action; otherwise the whole step.", false},
		{"on_error", wordForm("fail", "continue", "rollback").or(placeForm("on_error")), "What becomes of the list when the step fails: it ends (fail), goes on (continue), its effects are undone and it ends (rollback), or other steps run and it goes on.", false},
		{"finally", stepsForm(), "Steps that run however the step has ended.", false},
	}}}
}

// grammarParts are the mappings inside steps.
func grammarParts() map[string]placed {
	return map[string]placed{
		"retry": {"When a failed attempt is made again.", []keyword{
			{"attempts", wholeForm(1, 100), "How many attempts at most; the first counts.", true},
			{"backoff", wordForm("exponential", "constant", "fibonacci"), "How the pauses grow.", false},
			{"initial", lastingForm(), "The first pause; default 2s.", false},
			{"cap", lastingForm(), "The longest pause; default 5m.", false},
			{"jitter", wordForm("full", "none"), "Whether pauses are drawn by lot.", false},
			{"on", wordsForm(ErrorCodes()...), "Which errors; default throttled, unavailable, locked, and timeout of reads.", false},
		}},
		"approve": {"Asks people before the covered steps may have effects.", []keyword{
			{"ask", proseForm(), "The question; `${{ }}` allowed.", true},
			{"targets", questionForm(), "What the effects will touch: entities, or records with one entity. Shown in full and bound.", false},
			{"covers", form{kind: formStepIDs}, "Ids of the steps that need this approval; default: those behind it that touch such targets.", false},
			{"approvers", form{kind: formData}, "Who may decide: groups and people.", true},
			{"quorum", wholeForm(1, 20), "How many must agree; default 1.", false},
			{"timeout", lastingForm(), "How long the question stands.", false},
			{"remind", lastingForm(), "How often those who have not decided are asked again.", false},
			{"on_timeout", wordForm("reject", "stop", "approve"), "The outcome when nobody decides in time.", false},
			{"on_reject", wordForm("continue"), "`continue`: the list goes on; read `steps.ID.outcome`.", false},
			{"form", form{kind: formNamed, place: "field"}, "Typed fields that whoever approves fills in.", false},
		}},
		"field": fieldPlace(),
		"wait": {"Waits until a time or for an event.", []keyword{
			{"until", form{kind: formTime}, "The time; one that is past is no wait.", false},
			{"event", textForm(), "The name of the event that is waited for.", false},
			{"key", proseForm(), "Which of the events with that name.", false},
			{"since", form{kind: formTime}, "How old an event may be that came before; default: the run's start.", false},
			{"data", form{kind: formType}, "The fields of what the event brings and their types.", false},
			{"timeout", lastingForm(), "How long; default: as long as the run lasts.", false},
			{"on_timeout", wordForm("fail", "continue", "stop"), "What happens when no event came in time.", false},
		}},
		"repeat": {"Runs steps again and again.", []keyword{
			{"steps", stepsForm(), "The steps of a turn.", true},
			{"until", questionForm(), "Asked after each turn: true ends the repeat.", false},
			{"every", lastingForm(), "The pause between turns.", false},
			{"times", wholeForm(1, 10_000), "The most turns.", true},
		}},
		"on_error": {"Steps that run when the step fails; the list then goes on.", []keyword{
			{"steps", stepsForm(), "They know `error`: its step, code and message.", true},
		}},
	}
}

// fieldPlace is a field of a form: a param that may say required.
func fieldPlace() placed {
	keys := slices.Clone(grammarHead()["param"].keys)
	keys = slices.Insert(keys, 1, keyword{"required", form{kind: formBoolean}, "Whether it must be filled in.", false})
	return placed{"A field that whoever approves fills in.", keys}
}
