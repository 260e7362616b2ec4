package history

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"stanch/engine"
)

// never is the line of what has not come.
const never = math.MaxInt

// fate is what is known of whether an act was done.
type fate int

const (
	not fate = iota
	maybe
	done
)

// act is one request: a call, and the calls that repeated it. It was done, if it
// was, between the lines from and to.
type act struct {
	ev      string
	ask     *Ask
	request string
	place   Place
	fate    fate
	from    int // of the first invocation
	to      int // of the first answer that says so; never
	life    string
	at      int64   // of the first invocation, by the machine's clock
	store   int64   // the store's time as first answered; 0: not known
	answer  *Answer // the first
	run     string  // begin: as first answered
	repeats []int   // the lines of completions that are ok, after the first
	calls   int
}

func (a *act) shown() []int {
	if a.to == never {
		return []int{a.from}
	}
	return []int{a.from, a.to}
}

// before reports whether an act was certainly done before another began.
func (a *act) before(line int) bool { return a.fate == done && a.to < line }

// lets reports whether a settle that was done has let go of the lease.
func (a *act) lets() bool {
	return a.ask.Then != nil && (a.answer == nil || !a.answer.Holds)
}

func (a *act) then(kind string) bool { return a.ask.Then != nil && a.ask.Then.Kind == kind }

// lease is a lease that was given out, between the lines from and to.
type lease struct {
	Grant
	by       *act
	from, to int
	store    int64 // the store's time then; 0: not known
	last     int64 // how long it lasts at first; 0: not known
	life     string
	children []child
	over     bool // by a settle: a hand-over
}

func (l *lease) shown() []int { return []int{l.from, l.to} }

// strand is what a history knows of one strand.
type strand struct {
	Place
	leases  []*lease // in the order of from
	settles []*act   // that were or may have been done, by position
	words   []*act   // signals to it that were or may have been
}

// ledger is a history put in order, and what was found in it.
type ledger struct {
	late, slack int64
	lines       []Line
	final       []engine.RunRecord
	witness     []Witness
	found       []Violation
	order       []*strand
	frost       []*act // what changed the freeze, once asked for

	acts    []*act       // in the order of from
	ended   map[int]*act // by the line of a completion
	strands map[Place]*strand
	tokens  map[string]*lease
	renews  map[string][]*act // by token
	marks   map[string][]*act // by run: signals that cancel it
	replace []*act            // what may cancel others by beginning
	claims  []*act            // that were answered and had room for more
	unheard []*act            // claims of whose answer nobody knows
	alive   map[string]int    // by life: the last line that it began something in
	closes  map[string]int    // by life: the first line of a close
	born    map[string]run    // by run

	low  []int64 // by line: the store's time is at least this
	high []int64 // and at the end of a call that ends here at most this
}

// run is what the history knows of how a run began.
type run struct {
	Begin
	by    *act
	known bool // that this act made it, not an earlier one of the same dedupe key
}

// read puts the lines in order.
func (k *ledger) read() {
	k.strands, k.tokens = map[Place]*strand{}, map[string]*lease{}
	k.renews, k.marks = map[string][]*act{}, map[string][]*act{}
	k.alive, k.closes, k.born = map[string]int{}, map[string]int{}, map[string]run{}
	k.ended = map[int]*act{}
	k.readActs()
	k.clocks()
	for _, a := range k.acts {
		k.place(a)
	}
	for _, s := range k.strands {
		slices.SortStableFunc(s.leases, func(a, b *lease) int { return cmp.Compare(a.from, b.from) })
		slices.SortStableFunc(s.settles, func(a, b *act) int { return cmp.Compare(a.place.Seq, b.place.Seq) })
		for _, l := range s.leases {
			k.lasting(l)
		}
	}
}

// readActs joins invocations, completions and repeats.
func (k *ledger) readActs() {
	type id struct {
		node, life string
		n          int64
	}
	type name struct{ ev, request string }
	open, named := map[id]*act{}, map[name]*act{}
	for i := range k.lines {
		l := &k.lines[i]
		key := id{l.Node, l.Life, l.N}
		if l.End != "" {
			if a := open[key]; a != nil {
				delete(open, key)
				k.ended[i] = a
				a.complete(i, l)
			}
			continue
		}
		k.alive[l.Life] = i
		a := named[name{l.Ev, l.Request}]
		if a == nil || l.Request == "" || l.Ev == "take" {
			a = &act{ev: l.Ev, ask: l.Ask, request: l.Request, place: l.Place, from: i, to: never, life: l.Life, at: l.At}
			if a.ask == nil {
				a.ask = &Ask{}
			}
			named[name{l.Ev, l.Request}] = a
			k.acts = append(k.acts, a)
		}
		a.calls++
		open[key] = a
	}
	for _, a := range open { // killed: nobody knows
		a.fate = max(a.fate, maybe)
	}
}

// complete takes in the end of a call of the act.
func (a *act) complete(line int, l *Line) {
	switch {
	case l.End == Info:
		a.fate = max(a.fate, maybe)
	case l.End == Fail, l.Answer != nil && (l.Answer.Refused != "" || l.Answer.Busy), a.ev == "take" && !granted(a, l):
	case a.fate == done:
		a.repeats = append(a.repeats, line)
	default:
		a.fate, a.to, a.store, a.answer, a.run, a.life = done, line, l.AtStore, l.Answer, l.Run, l.Life
		if a.answer == nil {
			a.answer = &Answer{}
		}
	}
}

func granted(a *act, l *Line) bool {
	return l.Answer != nil && l.Answer.Granted || len(a.ask.Take) == 1 && a.ask.Take[0].Back
}

// clocks bounds the store's time at each line. Answers to repeats tell an older
// time, so they bound nothing.
func (k *ledger) clocks() {
	n := len(k.lines)
	k.low, k.high = make([]int64, n+1), make([]int64, n+1)
	for i := range k.high {
		k.high[i] = math.MaxInt64
	}
	for _, a := range k.acts {
		fresh := a.ev == "claim" || a.ev == "renew" || (a.ev == "settle" || a.ev == "signal") && a.calls == 1
		if a.fate == done && a.store != 0 && fresh {
			k.low[a.to+1] = max(k.low[a.to+1], a.store)
			if a.ev != "claim" || len(a.answer.Grants) > 0 { // a claim that asks for nothing names the time when it last did
				k.high[a.from] = min(k.high[a.from], a.store)
			}
		}
	}
	for i := 1; i <= n; i++ {
		k.low[i] = max(k.low[i], k.low[i-1])
	}
	for i := n - 1; i >= 0; i-- {
		k.high[i] = min(k.high[i], k.high[i+1])
	}
}

func (k *ledger) strand(run, path string) *strand {
	p := Place{Run: run, Strand: path}
	s := k.strands[p]
	if s == nil {
		s = &strand{Place: p}
		k.strands[p] = s
	}
	return s
}

// place notes an act where it belongs.
func (k *ledger) place(a *act) {
	if a.ev == "close" {
		if _, closed := k.closes[a.life]; !closed {
			k.closes[a.life] = a.from
		}
	}
	if a.fate == not {
		return
	}
	if slices.ContainsFunc(a.ask.Begin, func(b Begin) bool { return b.Replace }) {
		k.replace = append(k.replace, a)
	}
	switch a.ev {
	case "begin":
		k.bear(a, a.ask.Begin, []string{a.run})
	case "claim":
		switch {
		case a.fate == maybe || a.answer.Partly:
			k.unheard = append(k.unheard, a)
		case len(a.answer.Grants) < a.ask.Max:
			k.claims = append(k.claims, a)
		}
		k.give(a, a.answer, a.to)
	case "settle":
		s := k.strand(a.place.Run, a.place.Strand)
		s.settles = append(s.settles, a)
		if a.fate == done {
			k.bear(a, a.ask.Begin, a.answer.Begun)
			k.give(a, a.answer, a.to)
		}
		for _, line := range a.repeats {
			k.give(a, k.lines[line].Answer, line)
		}
	case "renew":
		for _, p := range a.ask.Leases {
			k.renews[p.Token] = append(k.renews[p.Token], a)
		}
	case "signal":
		if a.ask.Mark != "" {
			k.marks[a.place.Run] = append(k.marks[a.place.Run], a)
		}
		if a.ask.Words != nil || a.ask.Mark == "" {
			s := k.strand(a.place.Run, a.place.Strand)
			s.words = append(s.words, a)
		}
	}
}

// bear notes how runs began.
func (k *ledger) bear(a *act, asked []Begin, runs []string) {
	for i, id := range runs {
		if i >= len(asked) || id == "" || k.born[id].known {
			continue
		}
		known := a.ev == "begin" && a.answer.New || a.ev == "settle" && asked[i].Dedupe == ""
		k.born[id] = run{Begin: asked[i], by: a, known: known}
	}
}

// give notes the leases that an answer gave out. An answer that is repeated
// gives out none again.
func (k *ledger) give(a *act, answer *Answer, to int) {
	if answer == nil {
		return
	}
	for _, g := range answer.Grants {
		if k.tokens[g.Token] != nil && k.tokens[g.Token].by == a {
			continue
		}
		l := &lease{Grant: g, by: a, from: a.from, to: to, store: a.store, life: k.lines[to].Life, over: a.ev == "settle"}
		if a.ev == "claim" {
			l.last = a.ask.Last
		}
		if g.Children != nil {
			l.children, _ = readChildren(*g.Children)
		}
		s := k.strand(g.Run, g.Strand)
		s.leases = append(s.leases, l)
		if k.tokens[g.Token] == nil {
			k.tokens[g.Token] = l
		}
	}
}

// lasting finds how long a lease lasts that was handed over: as long as the one
// under which that was settled.
func (k *ledger) lasting(l *lease) {
	for at, n := l, 0; l.last == 0 && n < 1000; n++ {
		if at = k.tokens[at.by.place.Token]; at == nil {
			return
		}
		l.last = at.last
	}
}

// sorted answers the strands in a fixed order. It is asked for once all are known.
func (k *ledger) sorted() []*strand {
	if len(k.order) != len(k.strands) {
		k.order = slices.SortedFunc(maps.Values(k.strands), func(a, b *strand) int {
			return cmp.Or(cmp.Compare(a.Run, b.Run), cmp.Compare(a.Strand, b.Strand))
		})
	}
	return k.order
}

// strandsOf answers the strands of a run, in order.
func (k *ledger) strandsOf(run string) []*strand {
	all := k.sorted()
	i, _ := slices.BinarySearchFunc(all, run, func(s *strand, run string) int { return cmp.Compare(s.Run, run) })
	n := i
	for n < len(all) && all[n].Run == run {
		n++
	}
	return all[i:n]
}

// mayBeMarked reports whether a run may have got a mark between two lines.
func (k *ledger) mayBeMarked(run string, from, to int) bool {
	for _, a := range k.marks[run] {
		if !a.before(from) && a.from < to {
			return true
		}
	}
	// A run that replaces another cancels it: at once, or by a message to where
	// the other lies, if the key is a wide one.
	key := k.born[run].Key
	for _, a := range k.replace {
		if a.from >= to {
			continue
		}
		for _, b := range a.ask.Begin {
			if b.Replace && (b.Wide || !a.before(from)) && (b.Key == key || !k.born[run].known) {
				return true
			}
		}
	}
	return false
}
