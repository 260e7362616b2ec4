package storetest

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"stanch/engine"
)

// world is a store as simple as can be: the model that the property test
// compares a store with.
type world struct {
	now    time.Time
	runs   map[string]*mRun
	begun  []string             // run ids in the order of Begin
	dedupe map[[3]string]string // → run id
	later  map[string]time.Time // run id → when it begins
	frozen bool
	takes  map[string]map[string]bool // target → effects
	docs   map[string]mDoc
}

type mDoc struct {
	body    string
	version int64
}

type mRun struct {
	id, key, status string
	subject         string
	lane            int
	cancel          engine.Cancel
	strands         map[string]*mStrand
}

type mStrand struct {
	run     *mRun
	path    string
	parent  *mStrand
	window  *mWindow
	index   int
	state   string // queued | due | leased | waiting | joining | ended
	until   time.Time
	on      string
	thaw    bool
	told    engine.Cancel
	token   string
	seq     int64
	lost    int
	facts   []mFact
	item    string
	joined  *mWindow
	outcome string
}

type mFact struct {
	body   string
	signal bool
}

type mWindow struct {
	path              string
	count, next, live int
	failfast, stopped bool
	items             bool
	under             engine.Cancel
	children          []*mStrand
}

func newWorld(now time.Time) *world {
	return &world{now: now, runs: map[string]*mRun{}, later: map[string]time.Time{}, dedupe: map[[3]string]string{}, takes: map[string]map[string]bool{}, docs: map[string]mDoc{}}
}

// begin answers what Begin answers, its new run id aside.
func (w *world) begin(b engine.Begin) (known string, busy bool, status string) {
	if run, ok := w.dedupe[[3]string{b.Playbook, b.Subject, b.Dedupe}]; ok && b.Dedupe != "" {
		return run, false, ""
	}
	status = "running"
	if b.Key != "" && slices.ContainsFunc(w.begun, func(id string) bool { return w.runs[id].key == keyOf(b) && w.runs[id].live() }) {
		if b.WhenBusy == "skip" {
			return "", true, ""
		}
		status = "queued"
	}
	if b.After > 0 {
		status = "queued"
	}
	return "", false, status
}

func (w *world) newRun(id, status string, b engine.Begin) {
	if b.After > 0 {
		w.later[id] = w.now.Add(b.After)
	}
	if b.Key != "" && b.WhenBusy == "replace" {
		for _, o := range slices.Backward(w.begun) {
			if w.runs[o].key == keyOf(b) && w.runs[o].live() {
				w.cancel(w.runs[o], engine.Cancelled)
			}
		}
	}
	r := &mRun{id: id, key: keyOf(b), subject: b.Subject, lane: b.Lane, status: status, strands: map[string]*mStrand{}}
	root := &mStrand{run: r, state: "due"}
	if status == "queued" {
		root.state = "queued"
	}
	r.strands[""] = root
	w.runs[id] = r
	w.begun = append(w.begun, id)
	if b.Dedupe != "" {
		w.dedupe[[3]string{b.Playbook, b.Subject, b.Dedupe}] = id
	}
}

// keyOf is the concurrency key of a run: one that is not wide is its subject's.
func keyOf(b engine.Begin) string {
	if b.Key == "" || b.Wide {
		return b.Key
	}
	return b.Subject + "/" + b.Key
}

func (r *mRun) live() bool { return r.status == "running" || r.status == "queued" }

// all answers the strands of all runs in a fixed order.
func (w *world) all() []*mStrand {
	var all []*mStrand
	for _, id := range w.begun {
		r := w.runs[id]
		for _, path := range slices.Sorted(maps.Keys(r.strands)) {
			all = append(all, r.strands[path])
		}
	}
	return all
}

// fire makes due what Claim makes due, and answers all that is.
func (w *world) fire() []*mStrand {
	var due []*mStrand
	for id, when := range w.later {
		if r := w.runs[id]; !when.After(w.now) && r.status == "queued" {
			r.status = "running"
			r.strands[""].let("due")
		}
	}
	for _, s := range w.all() {
		over := !s.until.IsZero() && !s.until.After(w.now)
		switch {
		case s.state == "waiting" && over:
			s.let("due")
		case s.state == "leased" && over:
			s.let("due")
			s.lost++
		}
		if s.state == "due" {
			due = append(due, s)
		}
	}
	return due
}

func (s *mStrand) let(state string) {
	s.state, s.token, s.until, s.on, s.thaw = state, "", time.Time{}, "", false
}

func (s *mStrand) lease(token string, until time.Time) {
	s.let("leased")
	s.token, s.until, s.told = token, until, s.run.cancel
}

// settle answers what Settle answers: an error's meaning, or the answer with
// the path of Next instead of the strand.
func (w *world) settle(in engine.Settlement, begins func(engine.Begin) string) (a engine.Settled, next *mStrand, lost bool) {
	r := w.runs[in.Lease.Run]
	s := r.strands[in.Lease.Strand]
	if s == nil || s.state != "leased" || s.token != in.Lease.Token || s.seq != in.Lease.Seq {
		return a, nil, true
	}
	a = engine.Settled{Cancel: r.cancel, Seen: int64(len(s.facts)), Holds: true}
	if in.Intent {
		switch {
		case r.marked(in.Under):
			a.Refused = "cancelled"
		case w.frozen:
			a.Refused = "frozen"
		}
	}
	for _, t := range in.Take {
		if a.Refused == "" && !w.take(t) {
			a.Refused = "cap " + t.Name
		}
	}
	if a.Refused != "" {
		return a, nil, false
	}
	for i, f := range s.facts[in.Seen:] {
		if f.signal {
			a.Signals = append(a.Signals, engine.Fact{N: in.Seen + int64(i) + 1, Signal: true, Body: []byte(f.body)})
		}
	}
	for _, b := range in.Begin {
		a.Begun = append(a.Begun, begins(b))
	}
	a.Cancel = r.cancel
	for _, f := range in.Facts {
		s.facts = append(s.facts, mFact{body: string(f)})
	}
	a.Seen = int64(len(s.facts))
	s.seq, s.lost, s.joined = s.seq+1, 0, nil
	news := len(a.Signals) > 0 || (s.told != r.cancel && r.marked(in.Under))
	s.told = r.cancel
	next = w.then(s, in, news)
	a.Holds = s.state == "leased"
	return a, next, false
}

// marked reports whether a run has a mark other than that under which is acted.
func (r *mRun) marked(under engine.Cancel) bool { return r.cancel != "" && r.cancel != under }

func (w *world) then(s *mStrand, in engine.Settlement, news bool) (next *mStrand) {
	switch then := in.Then; {
	case then.Yield:
		s.let("due")
	case then.Wait != nil && !news:
		switch wait := then.Wait; {
		case wait.Thaw && !w.frozen, !wait.Ever && wait.For <= 0:
			s.let("due")
		default:
			s.let("waiting")
			s.on, s.thaw = wait.On, wait.Thaw
			if !wait.Ever {
				s.until = w.now.Add(wait.For)
			}
		}
	case then.Open != nil:
		o := then.Open
		win := &mWindow{path: o.Path, count: o.Count, failfast: o.Failfast, items: len(o.Items) > 0, under: in.Under}
		if s.run.marked(in.Under) || o.Count == 0 {
			s.let("due")
			s.joined = win
			break
		}
		s.let("joining")
		for range min(o.Count, o.Window) {
			win.open(s).state = "due"
		}
	case then.End != nil:
		return w.end(s, then.End.Outcome)
	}
	return nil
}

// open starts the next child of a window.
func (win *mWindow) open(parent *mStrand) *mStrand {
	c := &mStrand{run: parent.run, told: parent.run.cancel, path: win.path + "[" + strconv.Itoa(win.next) + "]", parent: parent, window: win, index: win.next}
	if win.items {
		c.item = "item " + strconv.Itoa(win.next)
	}
	c.run.strands[c.path] = c
	win.children = append(win.children, c)
	win.next++
	win.live++
	return c
}

// end ends a strand and answers the one that its holder gets.
func (w *world) end(s *mStrand, outcome string) *mStrand {
	s.let("ended")
	s.outcome = outcome
	if s.window == nil {
		w.endRun(s.run, outcome)
		return nil
	}
	win := s.window
	win.live--
	if (outcome == "failed" && win.failfast) || s.run.marked(win.under) {
		win.stopped = true
	}
	if !win.stopped && win.next < win.count {
		return win.open(s.parent)
	}
	if win.live > 0 {
		return nil
	}
	s.parent.joined = win
	return s.parent
}

func (w *world) endRun(r *mRun, status string) {
	r.status = status
	for _, id := range w.begun {
		if o := w.runs[id]; r.key != "" && o.key == r.key && o.live() {
			if o.status == "queued" {
				o.status = "running"
				o.strands[""].let("due")
			}
			return
		}
	}
}

func (w *world) signal(r *mRun, path, body string) (refused bool) {
	s := r.strands[path]
	if s == nil || s.state == "ended" {
		return true
	}
	s.facts = append(s.facts, mFact{body: body, signal: true})
	if s.state == "waiting" {
		s.let("due")
	}
	return false
}

func (w *world) cancel(r *mRun, mark engine.Cancel) {
	if !r.live() || r.cancel == mark || r.cancel == engine.Terminated {
		return
	}
	r.cancel = mark
	if r.status == "queued" {
		r.strands[""].let("ended")
		r.strands[""].outcome = "cancelled"
		w.endRun(r, "cancelled")
		return
	}
	for _, s := range r.strands {
		if s.state == "waiting" {
			s.let("due")
		}
	}
}

func (w *world) freeze(on bool) {
	w.frozen = on
	for _, s := range w.all() {
		if !on && s.state == "waiting" && s.thaw {
			s.let("due")
		}
	}
}

// take reserves one target.
func (w *world) take(t engine.Take) bool {
	target := t.Targets[0]
	if w.takes[target][t.Effect] {
		return true
	}
	if w.takes[target] == nil && len(w.takes)+1 > t.Limit || len(w.takes) > t.Limit {
		return false
	}
	if w.takes[target] == nil {
		w.takes[target] = map[string]bool{}
	}
	w.takes[target][t.Effect] = true
	return true
}

func (w *world) back(effect string) {
	for target, effects := range w.takes {
		delete(effects, effect)
		if len(effects) == 0 {
			delete(w.takes, target)
		}
	}
}
