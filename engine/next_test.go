package engine

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"stanch/actions"
)

// fuzzFacts reads facts out of bytes: kind, step, what about it, and time.
func fuzzFacts(data []byte, paths []string) []Fact {
	kinds := []kind{
		kEntered, kSkipped, kDone, kFailed, kRetry, kOpened, kJoined, kPrepared, kIntent, kResult,
		kOpen, kHeld, kAsked, kDecision, kResolve, kLost, kFailing, kStopped, "newer",
		kPart, kRound, kWaits, kFinal, kMarked, kLasts, kAwait, kMail, kReceived, kKept, kAnew,
	}
	endings := []ending{stopped, rejected, cancelled, failed, succeeded, "x"}
	outs := []string{"", "{}", `{"value":"v"}`, `{"n":1}`, `{"m":2}`, `{"left":1}`, `{"vars":{"left":1}}`, "null", "[", `{"total":1,"items":[]}`, `{"outcome":"approved"}`}
	statuses := []actions.Status{actions.Done, actions.AlreadySo, actions.NotDone, actions.Refused, actions.Unknown, actions.Begun, ""}
	pick := func(b byte, n int) int { return int(b) % n }
	var facts []Fact
	at := fuzzEpoch()
	for ; len(data) >= 5; data = data[5:] {
		a, b := data[2], data[3]
		at = at.Add(time.Duration(data[4]) * time.Minute / 4)
		f := fact{Kind: kinds[pick(data[0], len(kinds))], Path: paths[pick(data[1], len(paths))], Effect: int(b%5) - 1, Attempt: int(a % 4)}
		f.Until, f.DoneIn, f.Happened, f.Count = at.Add(time.Duration(a)*time.Second), time.Duration(b)*time.Second, a%2 == 0, int(b%4)-1
		f.Status, f.Branch, f.Ending = statuses[pick(a, len(statuses))], []string{"then", "else", onError, finally, "x"}[a%5], endings[pick(b, len(endings))]
		f.Forced, f.Due, f.Marked = a%5 == 1, []time.Time{{}, {}, at, at.Add(time.Duration(b) * time.Minute)}[a%4], at
		f.Lasts, f.Run, f.Await, f.Mail = time.Duration(a%2)*time.Hour, []string{"", "r2"}[b%2], &awaited{Name: "n", Key: "k", Until: f.Due}, &Message{ID: "m", Name: "n", Key: "k", At: at}
		f.Key, f.By, f.Decision, f.Hash = []string{gateKey, heldFrozen, "k"}[b%3], []string{"a@c.example", "A@C.example", "b@c.example"}[a%3], []string{"approve", "reject"}[b%2], "h"
		f.Doubt, f.Looks, f.Planned = doubt(b%3), int(a%3), b%7 == 0
		if f.Kind == kKept {
			f.Had = had{"r1": {"e"}}
			f.Brings = &branches{Vars: map[string]json.RawMessage{"left": json.RawMessage("1")}}
		}
		if out := outs[pick(b, len(outs))]; json.Valid([]byte(out)) {
			f.Out = json.RawMessage(out)
		}
		if a%8 != 7 {
			f.Fault = &Fault{Code: "failed", Message: "m"}
			f.Question = &Question{Key: f.Key, Hash: "h", Quorum: int(b % 3), Expires: at.Add(time.Duration(a) * time.Minute)}
		}
		for range b % 3 {
			f.Effects = append(f.Effects, actions.Effect{ID: fmt.Sprint("e", len(f.Effects)), Action: "things.put", Status: actions.Planned})
		}
		for i := range b % 4 {
			f.Children = append(f.Children, Ended{Index: int(i), Outcome: []string{"succeeded", "failed", "skipped", "rejected", "cancelled"}[(a+i)%5], Result: []byte(`{"vars":{"left":1},"collect":{"v":1}}`)})
		}
		facts = append(facts, Fact{N: int64(len(facts) + 1), At: at, Signal: f.Kind == kDecision || f.Kind == kResolve, Body: f.encode()})
	}
	return facts
}

// fuzzState builds the state of a strand, or answers why it cannot be.
func fuzzState(run *runContext, strand string, facts []Fact, cancel Cancel) (*state, error) {
	var above *state
	if parent, ok := parentStrand(strand); ok {
		var err error
		if above, err = newState(run, parent, nil, nil); err != nil {
			return nil, err
		}
	}
	item := []byte(`"b"`)
	if strand == "sub[0]" {
		item = []byte(`{"params":{"n":1},"due":"2026-03-01T02:00:00Z"}`)
	}
	st, err := rebuild(run, strand, above, item, facts)
	if err != nil {
		return nil, err
	}
	st.cancel = cancel
	st.now = later(st.now, fuzzEpoch())
	return st, nil
}

// told is a move as text.
func told(mv move, err error) string {
	task := "none"
	if mv.task != nil {
		task = fmt.Sprint(mv.task.kind, mv.task.path, mv.task.effect, mv.task.attempt, mv.task.timeout, string(mv.task.params))
	}
	then, _ := json.Marshal(mv.then)
	return fmt.Sprint(task, string(then), err)
}

// history grows out of bytes: facts at random, and between them what Next
// decides with a made-up answer of the world. What cannot be is left out.
type history struct {
	run    *runContext
	strand string
	cancel Cancel
	facts  []Fact
	now    time.Time
}

func (h *history) state() (*state, error) {
	st, err := fuzzState(h.run, h.strand, h.facts, h.cancel)
	if err == nil {
		st.now = later(st.now, h.now)
	}
	return st, err
}

// add takes facts in, if they can be.
func (h *history) add(facts ...Fact) {
	before := h.facts
	for _, f := range facts {
		f.N, f.At = int64(len(h.facts)+1), h.now
		h.facts = append(h.facts[:len(h.facts):len(h.facts)], f)
	}
	if _, err := h.state(); err != nil {
		h.facts = before
	}
}

func (h *history) told(facts ...fact) {
	for _, f := range facts {
		h.add(Fact{Signal: f.Kind == kDecision || f.Kind == kResolve, Body: f.encode()})
	}
}

// forward lets Next decide and answers for the world. It answers false at the
// end of the strand.
func (h *history) forward(t *testing.T, how byte) bool {
	st, err := h.state()
	if err != nil {
		t.Fatal(err)
	}
	mv, err := st.next()
	if err != nil {
		return true
	}
	if mv.then != nil && mv.then.End != nil {
		return false
	}
	h.told(mv.facts...)
	switch {
	case mv.task != nil:
		h.answer(mv.task, how)
	case mv.then.Open != nil:
		children := []Ended{{Index: 1, Outcome: []string{"succeeded", "failed", "skipped", "rejected", "cancelled"}[how%5]}}
		if mv.then.Open.Count > 1 {
			children = append([]Ended{{Outcome: "succeeded", Result: []byte(`{"vars":{"left":1}}`)}}, children...)
		}
		if how%7 == 6 {
			children[0].Result = []byte(`{"late":true,"marked":"2026-03-01T00:00:30Z","outputs":{"m":3}}`)
		}
		h.told(fact{Kind: kJoined, Children: children})
	case mv.then.Wait != nil && how%2 == 0 && !mv.then.Wait.Ever:
		h.now = h.now.Add(mv.then.Wait.For)
	case mv.then.Wait != nil:
		for path, p := range st.steps {
			if st.open == p {
				h.told(fact{Kind: kResolve, Path: path, Happened: how%3 == 0})
			}
			for key, q := range p.ask {
				h.told(fact{Kind: kDecision, Path: path, Key: key, Hash: q.Hash, By: string('a' + rune(how%4)), Decision: []string{"approve", "approve", "reject"}[how%3]})
			}
		}
	}
	return true
}

func (h *history) answer(t *task, how byte) {
	failed := fact{Kind: kFailed, Path: t.path, Attempt: t.attempt, Fault: &Fault{Code: "failed", Message: "m"}}
	again := fact{Kind: kRetry, Path: t.path, Attempt: t.attempt, Effect: -1, Fault: failed.Fault, Until: h.now.Add(time.Duration(how) * time.Second)}
	effects := make([]actions.Effect, how%4)
	for i := range effects {
		effects[i] = actions.Effect{ID: fmt.Sprint("e", i), Action: "things.put", Status: actions.Planned}
	}
	result := fact{Kind: kResult, Path: t.path, Effect: t.effect, Status: []actions.Status{actions.Done, actions.AlreadySo, actions.NotDone, actions.Unknown}[how/4%4]}
	onEffect := again
	onEffect.Effect, onEffect.Doubt = t.effect, doubt(how/16%3)
	switch t.kind {
	case tRead:
		good := fact{Kind: kDone, Path: t.path, Attempt: t.attempt, Out: json.RawMessage(`{"value":"v"}`)}
		if t.step.Action.Class != actions.Reads {
			good = fact{Kind: kPrepared, Path: t.path, Effects: effects, Out: good.Out}
		}
		h.told([]fact{good, good, failed, again}[how/4%4])
	case tAsk:
		h.told(fact{Kind: kAsked, Path: t.path, Question: &Question{Key: gateKey, Hash: "h", Quorum: 1 + int(how%2), Expires: h.now.Add(time.Duration(how) * time.Minute)}})
	case tSend:
		h.told(fact{Kind: kIntent, Path: t.path, Effect: t.effect, DoneIn: time.Minute, Settling: time.Second})
		h.told([][]fact{{result}, {onEffect}, {{Kind: kOpen, Path: t.path, Effect: t.effect, Until: h.now.Add(time.Minute)}}, nil}[how%4]...)
	case tCheck:
		h.told([]fact{result, onEffect, result}[how%3])
	case tKeep:
		k, err := h.state()
		if err != nil {
			return
		}
		f, _ := k.keeps(t.path)
		h.told([]fact{f, f, {Kind: kAnew, Path: t.path, Why: "m"}}[how%3])
	case tUndoLater:
		h.told(fact{Kind: kLasts, Path: t.path, Effect: t.effect, Until: h.now.Add(time.Hour), Run: "r2"})
	case tAwait:
		h.told(fact{Kind: kAwait, Path: t.path, Await: t.await})
	case tLook:
		h.told(fact{Kind: kReceived, Path: t.path, Mail: &Message{ID: "m", Name: t.await.Name, Key: t.await.Key, At: h.now}})
	}
}

// FuzzNext gives Next any history: it never panics, decides the same twice, and
// decides the same once what it decided is known.
func FuzzNext(f *testing.F) {
	retries := map[*runContext]*runContext{}
	books := []struct {
		live, plan *runContext
		strands    []string
	}{
		{fuzzRun(f, fuzzBook, ModeLive), fuzzRun(f, fuzzBook, ModePlan), []string{"", "each[1]", "par[0]", "par[1]"}},
		{fuzzRun(f, flowBook, ModeLive), fuzzRun(f, flowBook, ModePlan), []string{"", "sub[0]", "poll#1/items[1]", "tidied/finally/tidies[0]", "poll#2/items[0]"}},
	}
	for _, b := range books {
		again := *b.live
		again.kept = fuzzKept(f, b.live)
		retries[b.live] = &again
	}
	each := 1
	if testing.Short() {
		each = 4
	}
	seeds := 0
	add := func(which, how byte, data []byte) {
		if seeds++; seeds%each == 0 {
			f.Add(which, how, data, "")
		}
	}
	for which := range 10 {
		for how := range byte(32) {
			for answers := range 12 {
				data := make([]byte, 0, 240)
				for i := range 4 * (answers + 1) {
					data = append(data, 1, byte(answers*(i+7)), byte(i), 0, 0, 0)
				}
				add(byte(which), how, data)
			}
		}
	}
	for which := range 10 {
		for walk := range byte(64) { // whole walks, in which nearly all goes well
			data := make([]byte, 0, 300)
			for i := range byte(50) {
				answer := byte(0)
				if i%5 == walk%5 {
					answer = walk
				}
				data = append(data, 1, answer, 0, 0, 0, 0)
			}
			add(byte(which), walk&^31, data)
		}
	}
	f.Fuzz(func(t *testing.T, which, how byte, data []byte, raw string) {
		book := books[int(which)/5%len(books)]
		h := &history{run: book.live, strand: book.strands[int(which)%5%len(book.strands)], now: fuzzEpoch()}
		if how&4 != 0 {
			h.run = book.plan
		} else if how&32 != 0 {
			h.run = retries[book.live]
		}
		paths := fuzzPaths(h.run, h.strand)
		for ; len(data) >= 6 && len(h.facts) < 150; data = data[6:] {
			if data[0]%2 == 0 {
				h.now = h.now.Add(time.Duration(data[5]) * time.Minute / 4)
				h.add(fuzzFacts(data[1:6], paths)...)
			} else if !h.forward(t, data[1]) {
				break
			}
		}
		if raw != "" {
			h.add(Fact{Body: []byte(raw)})
		}
		if how&8 != 0 {
			h.told(fact{Kind: kLost})
		}
		if how&16 != 0 {
			h.now = h.now.Add(2 * time.Hour) // the run's time is over
		}
		if how&1 != 0 {
			h.cancel = Cancelled
		}
		decidesTheSame(t, h)
	})
}

// fuzzKept is what a retry of a run takes over: every other step of it, as far as
// it could have ended so.
func fuzzKept(f *testing.F, run *runContext) *kept {
	k := &kept{Of: "r1", Steps: map[string]fact{}, Items: map[string]string{}}
	for i, path := range fuzzPaths(run, "") {
		if i%2 == 0 {
			continue
		}
		one := fact{Kind: kKept, Run: "r1", Out: json.RawMessage(`{"value":"v"}`)}
		if i%3 == 0 {
			one.Had = had{"r1": {"e"}}
		}
		k.Steps[path] = one
	}
	body, err := json.Marshal(k)
	if err == nil {
		k, err = readKept(body)
	}
	if err != nil {
		f.Fatal(err)
	}
	return k
}

func decidesTheSame(t *testing.T, h *history) {
	one, err1 := h.state()
	two, err2 := h.state()
	if err1 != nil || err2 != nil {
		t.Fatalf("a history that was read cannot be: %v, %v", err1, err2)
	}
	first, err := one.next()
	again, errAgain := two.next()
	if a, b := told(first, err), told(again, errAgain); a != b || len(first.facts) != len(again.facts) {
		t.Fatalf("decided\n%s and then\n%s", a, b)
	}
	if err != nil || first.then != nil && first.then.Open != nil {
		return
	}
	known := &history{run: h.run, strand: h.strand, cancel: h.cancel, facts: h.facts, now: one.now}
	known.told(first.facts...)
	if len(known.facts) != len(h.facts)+len(first.facts) {
		t.Fatalf("what Next decided cannot be read")
	}
	three, err := known.state()
	if err != nil {
		t.Fatal(err)
	}
	then, err := three.next()
	if a, b := told(first, nil), told(then, err); a != b || len(then.facts) != 0 {
		t.Fatalf("decided\n%s\nand, that being known,\n%s with %d more facts", a, b, len(then.facts))
	}
}

// fuzzPaths are paths of steps, of the strand and of others, in order.
func fuzzPaths(run *runContext, strand string) []string {
	paths := []string{"", "nothing"}
	outlines := []*outline{run.outline}
	for _, called := range run.outline.calls {
		outlines = append(outlines, called)
	}
	for _, o := range outlines {
		for path := range o.steps {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	for _, p := range slices.Clone(paths) {
		if rest, ok := cutStatic(strand, p); ok {
			paths = append(paths, strand+"/"+rest)
		}
	}
	return paths
}

// cutStatic answers what of a static path stands in a strand.
func cutStatic(strand, path string) (string, bool) {
	of, _, ok := cutIndex(strand)
	if ok && of == "sub" {
		return path, true // what is called has paths of its own
	}
	of = staticPath(of)
	if !ok || len(path) <= len(of)+1 || path[:len(of)] != of || path[len(of)] != '/' {
		return "", false
	}
	return path[len(of)+1:], true
}
