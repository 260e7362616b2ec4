package playbooks

// grammarFiles are the keys of the files that stand beside playbooks: tests in
// the order of their Go types, rules, and lists.
func grammarFiles() map[string]placed {
	return map[string]placed{
		"list": {"Reference data that playbooks and rules read as `lists.NAME`.", []keyword{
			{"name", textForm(), "The name by which it is read.", true},
			{"title", textForm(), "What people read of it.", false},
			{"type", form{kind: formType}, "The type of one item: a name, or a mapping of fields.", true},
			{"items", form{kind: formList}, "The items, each once.", true},
		}},
		"rule": {"A rule settles incidents before any playbook runs.", []keyword{
			{"rule", textForm(), "The id of the rule, unique, in kebab-case.", true},
			{"title", textForm(), "What people read of it.", false},
			{"order", wholeForm(0, 1_000_000), "Rules with a lower order are asked first.", false},
			{"enabled", form{kind: formBoolean}, "Whether it is asked at all.", false},
			{"expires", textForm(), "The day behind which it is no longer asked, quoted: \"2027-03-31\".", false},
			{"on", wordsForm("created", "updated"), "Which events of an incident.", false},
			{"if", questionForm(), "The condition.", false},
			{"then", form{kind: formList}, "What is done: update, tag, assign, comment, suppress, run (one, a list in order, or {parallel: […]}).", true},
		}},
		"test": {"Tests of a playbook.", []keyword{
			{"playbook", textForm(), "The playbook's file, as seen from this file's folder.", true},
			{"cases", form{kind: formList}, "What is tried, each on its own.", true},
		}},
	}
}
