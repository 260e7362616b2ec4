package triggers_test

import (
	"slices"
	"strings"
	"testing"

	"stanch/engine"
	"stanch/triggers"
)

// The feed asks rules before playbooks: what they suppress begins nothing, and
// what they write is no news.
func TestTheFeedAsksRulesFirst(t *testing.T) {
	d := newDesk(t, tagging)
	d.feed.Rules = &triggers.RuleSet{Engine: d.engine, Docs: d.store, Books: d.feed.Books, Rules: rulesOf(
		t, d.engine.World(),
		rule("known", 1, "if: incident.id == \"defender/40211\"\nthen: [{tag: [ruled]}, {suppress: {reason: A drill, for: 1d}}]\n"),
	)}
	p := d.poll()
	runs := d.runs("defender/40211")
	if len(runs) != 1 || runs[0].Playbook.ID != engine.RulesPlaybook || runs[0].Status != "succeeded" {
		t.Fatalf("%+v\nruns %+v", p, runs)
	}
	records, err := triggers.Records(t.Context(), d.store, "defender/40211")
	if err != nil || len(records) != 1 || len(records[0].Verdicts) != 1 {
		t.Fatalf("%+v (%v)", records, err)
	}
	if v := records[0].Verdicts[0]; v.Playbook != "tagging" || v.Outcome != triggers.OutcomeSuppressed || !strings.Contains(v.Because, "A drill") {
		t.Errorf("the playbook: %+v", v)
	}
	if p := d.poll(); p.Changed != 0 {
		t.Errorf("what the rules wrote is news: %+v", p)
	}
	// A later revision is still suppressed; others are not.
	d.amend("40211", `{"assignedTo":"somebody@contoso.example"}`)
	d.poll()
	if runs := d.runs("defender/40211"); slices.ContainsFunc(runs, func(r engine.Run) bool { return r.Playbook.ID == "tagging" }) {
		t.Errorf("begun although it is suppressed: %+v", runs)
	}
}
