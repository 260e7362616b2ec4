package playbooks

import (
	"testing"

	"pgregory.net/rapid"
)

// A judgement tells what Matches decides, and its checks explain it.
func TestAJudgementDecidesAsMatchesDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapidChooser{t}
		scope := incidentScope()
		p := &Playbook{Status: pick(c, "draft", "test", "stable", "deprecated")}
		if c.below(5) > 0 {
			p.On.Incident = &IncidentTrigger{
				Events:  pick(c, []string{"created"}, []string{"updated"}, []string{"created", "updated"}),
				Changes: pick(c, []string{"severity"}, []string{"alerts", "tags"}),
			}
			e, problems := Compile((&speaker{chooser: c}).say("bool", 0), scope, BooleanType())
			if len(problems) == 0 && c.below(4) > 0 {
				p.On.Incident.If = e
			}
		}
		ev := Event{
			Trigger: pick(c, "incident", "incident", "incident", "schedule"), Kind: pick(c, "created", "updated"),
			Changes: pick(c, nil, []string{"severity"}, []string{"title"}),
		}
		env := randomEnv(c, scope)
		want, wantErr := p.Matches(ev, env.Names, env.OwnDomains, env.Now)
		j := p.Judge(ev, env.Names, env.OwnDomains, env.Now)
		if j.Matched != (want.Matched && p.Status != "draft") || (j.Err != nil) != (wantErr != nil) {
			t.Fatalf("%+v; Matches says %+v, %v", j, want, wantErr)
		}
		passed := true
		for _, c := range j.Checks {
			passed = passed && c.Outcome == PartValue && c.Passed
			if c.Because == "" {
				t.Fatalf("%+v", c)
			}
		}
		if passed != j.Matched {
			t.Fatalf("matched %t, but the checks: %+v", j.Matched, j.Checks)
		}
	})
}
