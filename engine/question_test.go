package engine

import (
	"testing"
	"time"
)

func TestOutcomeOfAQuestion(t *testing.T) {
	begun := fuzzEpoch()
	end := begun.Add(time.Hour)
	type word struct {
		by, decision, hash string
		at                 time.Duration
		void               []string
	}
	yes := func(by string, at time.Duration) word { return word{by: by, decision: "approve", hash: "h", at: at} }
	for name, c := range map[string]struct {
		quorum int
		words  []word
		now    time.Duration
		want   string
	}{
		"nobody yet":                     {1, nil, 0, ""},
		"one of one":                     {1, []word{yes("a", 0)}, 0, "approved"},
		"one twice is one":               {2, []word{yes("a@c", 0), yes("A@C", 1)}, 1, ""},
		"two":                            {2, []word{yes("a", 0), yes("b", 1)}, 1, "approved"},
		"a no":                           {2, []word{yes("a", 0), {by: "b", decision: "reject", hash: "h"}}, 1, "rejected"},
		"what is no yes is a no":         {1, []word{{by: "b", decision: "yes", hash: "h"}}, 1, "rejected"},
		"a word to another question":     {1, []word{{by: "a", decision: "approve", hash: "old"}}, 1, ""},
		"a no to another question":       {1, []word{{by: "a", decision: "reject", hash: "old"}, yes("b", 1)}, 1, "approved"},
		"a void vote":                    {2, []word{yes("a@c", 0), {by: "b", decision: "approve", hash: "h", void: []string{"A@C"}}}, 1, ""},
		"before the end":                 {1, []word{yes("a", time.Hour-1)}, 2 * time.Hour, "approved"},
		"at the very instant of the end": {1, []word{yes("a", time.Hour)}, time.Hour, "timed_out"},
		"the end alone":                  {1, nil, time.Hour, "timed_out"},
		"just before it":                 {1, nil, time.Hour - 1, ""},
	} {
		q := questionState{Question: Question{Hash: "h", Quorum: c.quorum, Expires: end}}
		for _, w := range c.words {
			q.decisions = append(q.decisions, fact{By: w.by, Decision: w.decision, Hash: w.hash, Void: w.void})
			q.decidedAt = append(q.decidedAt, begun.Add(w.at))
		}
		if got, _ := q.outcome(begun.Add(c.now)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		q.Denied = "nobody"
		if got, _ := q.outcome(begun); got != "rejected" {
			t.Errorf("%s, denied: %q", name, got)
		}
	}
}
