package storetest

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"stanch/engine"
)

func pick[T any](rt *rapid.T, what string, of ...T) T { return rapid.SampledFrom(of).Draw(rt, what) }

func (p *player) drawBegin(rt *rapid.T) engine.Begin {
	b := engine.Begin{
		Request: p.request(), Playbook: "p", Subject: pick(rt, "subject", "s", "t"), Dedupe: pick(rt, "dedupe", "", "", "a", "b"),
		Key: pick(rt, "key", "", "", "k"), WhenBusy: pick(rt, "when busy", "queue", "skip", "replace"), Lane: pick(rt, "lane", 0, 1, 2, 3),
	}
	b.Wide = b.Key != "" && rapid.Bool().Draw(rt, "wide")
	if b.Key == "" {
		b.After = pick(rt, "after", 0, 0, time.Minute)
	}
	return b
}

func (p *player) drawThen(rt *rapid.T, m *mStrand) (then engine.Then) {
	switch pick(rt, "then", "on", "on", "yield", "wait", "open", "end", "end") {
	case "yield":
		then.Yield = true
	case "wait":
		then.Wait = &engine.Wait{For: pick(rt, "for", 0, time.Second, time.Hour), Ever: rapid.Bool().Draw(rt, "ever"), Thaw: rapid.Bool().Draw(rt, "thaw"), On: "something"}
	case "open":
		if len(m.path) > 20 {
			break
		}
		o := &engine.Open{Path: fmt.Sprintf("%s/%d", m.path, m.seq), Count: pick(rt, "count", 0, 1, 3, 7), Window: pick(rt, "window", 1, 2, 9), Failfast: rapid.Bool().Draw(rt, "failfast")}
		for i := range o.Count * pick(rt, "items", 0, 1) {
			o.Items = append(o.Items, fmt.Append(nil, "item ", i))
		}
		then.Open = o
	case "end":
		then.End = &engine.End{Outcome: pick(rt, "outcome", "succeeded", "failed", "cancelled")}
	}
	return then
}

func (p *player) drawTake(rt *rapid.T) engine.Take {
	return engine.Take{Request: p.request(), Name: "cap", Limit: pick(rt, "limit", 1, 3), Effect: pick(rt, "effect", "e", "f", "g"), Targets: []string{pick(rt, "target", "a", "b", "c", "d")}}
}

func (p *player) drawRun(rt *rapid.T) *mRun {
	if len(p.w.begun) == 0 {
		rt.Skip("no run")
	}
	return p.w.runs[rapid.SampledFrom(p.w.begun).Draw(rt, "run")]
}
