package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/engine/rehearse"
)

// backtestReport is what `stanch backtest --output json` prints. With jsonl each
// line is one of Incidents.
type backtestReport struct {
	Playbook  diffSide         `json:"playbook"`
	Since     *time.Time       `json:"since"` // null: no bound
	Until     *time.Time       `json:"until"`
	Input     string           `json:"input"` // the folder or file of --input; "": the store
	Reads     string           `json:"reads"` // recorded | practice
	As        string           `json:"as"`    // opened | kept
	Summary   rehearse.Summary `json:"summary"`
	Against   *againstReport   `json:"against,omitempty"`
	Unread    []notRead        `json:"unread"`
	Repeated  int              `json:"repeated"`  // times that an incident came again: the first is taken
	Incidents []rehearse.Tried `json:"incidents"` // all that were looked at, in the order in which they were opened
}

// againstReport is what another playbook would have done otherwise.
type againstReport struct {
	Playbook diffSide         `json:"playbook"`
	Headline string           `json:"headline"`
	Summary  rehearse.Summary `json:"summary"`
	rehearse.Difference
}

func (t *trial) report(tried [][]rehearse.Tried) backtestReport {
	r := backtestReport{
		Playbook: sideOf(t.books[0].Book), Since: momentOf(t.opened.since), Until: momentOf(t.opened.until), Input: t.o.input,
		Reads: t.o.reads, As: t.o.as, Summary: rehearse.Sum(tried[0]), Unread: append([]notRead{}, t.unread...), Repeated: t.repeated, Incidents: tried[0],
	}
	if len(tried) > 1 {
		d := rehearse.Compare(tried[0], tried[1])
		was := rehearse.Sum(tried[1])
		r.Against = &againstReport{sideOf(t.books[1].Book), headline(d, r.Summary.Partly+was.Partly > 0), was, d}
	}
	return r
}

func momentOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC())
}

// fails reports whether something is wrong with the playbook or with what it was
// tried on.
func (r backtestReport) fails() bool {
	return len(r.Unread) > 0 || r.Summary.NoAnswer > 0 || slices.ContainsFunc(r.Summary.Statuses, func(s rehearse.Tally) bool { return s.Name == "failed" })
}

// headline says in one sentence what a playbook would do more and fewer than the
// other, and if so, that not all could be judged.
func headline(d rehearse.Difference, partly bool) string {
	far := ""
	if partly {
		far = ", as far as could be judged"
	}
	if d.Same {
		return "both would have done the same" + far
	}
	var parts []string
	if d.Matches.More+d.Matches.Fewer > 0 {
		parts = append(parts, "matches "+moreOf(d.Matches, "incident"))
	}
	for _, a := range d.Actions {
		on := a.Targets
		what := a.Action + " on " + moreOf(on, a.Kind)
		if on.More+on.Fewer == 0 {
			what = fmt.Sprintf("%s has %s, on the same things", a.Action, moreOf(a.Effects, "effect"))
		}
		parts = append(parts, what)
	}
	if len(parts) == 0 {
		parts = append(parts, fmt.Sprintf("ends or asks otherwise about %s; no effect differs", plural(len(d.Changed), "incident")))
	}
	return "this edit: " + strings.Join(parts, "; ") + far
}

// moreOf says how many there are more and fewer of what a noun names.
func moreOf(d rehearse.DiffCount, noun string) string {
	switch {
	case d.Fewer == 0:
		return severalOf(d.More, "more", noun)
	case d.More == 0:
		return severalOf(d.Fewer, "fewer", noun)
	}
	return severalOf(d.More, "more", noun) + " and " + strconv.Itoa(d.Fewer) + " fewer"
}

func severalOf(n int, how, noun string) string {
	if n != 1 {
		noun = severals(noun)
	}
	return fmt.Sprintf("%d %s %s", n, how, noun)
}

func severals(noun string) string {
	if noun == "mailbox" {
		return "mailboxes"
	}
	return noun + "s"
}

func (sh *shell) printBacktest(r backtestReport) error {
	if terminal.Format(sh.output) == terminal.AsJSONL {
		return sh.out.Data(terminal.AsJSONL, r.Incidents)
	}
	return sh.print(r, func() { sh.backtestTable(r) })
}

// about says what was tried on what.
func (r backtestReport) about() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s", r.Playbook.Playbook, plural(r.Summary.Incidents, "incident"))
	if r.Input != "" {
		b.WriteString(" of " + r.Input)
	}
	if r.Since != nil {
		b.WriteString(" opened since " + instant(*r.Since))
	}
	if r.Until != nil {
		b.WriteString(" until " + instant(*r.Until))
	}
	return b.String()
}

// taken says how incidents and what was read of the world were taken.
func (r backtestReport) taken() string {
	as := map[string]string{"opened": "incidents as they were opened", "kept": "incidents as they are now"}[r.As]
	reads := map[string]string{
		"recorded": "what actions read as past runs on the incident read it",
		"practice": "what actions read as the practice tenant has it: a made-up company",
	}[r.Reads]
	return as + "; " + reads
}

func (sh *shell) backtestTable(r backtestReport) {
	if a := r.Against; a != nil {
		sh.out.Line(terminal.Text{Style: terminal.Bold, Text: terminal.OneLine(a.Headline)})
		sh.out.Printf("\n")
	}
	sh.out.Line(terminal.Text{Style: terminal.Bold, Text: terminal.OneLine(r.about())})
	sh.out.Line(terminal.Text{Style: terminal.Faint, Text: r.taken()})
	sh.out.Printf("\n")
	sh.facts(r.facts())
	for _, t := range r.tables() {
		if len(t.Rows) > 0 {
			sh.out.Printf("\n")
			sh.out.Table(t.Table)
		}
	}
}

// facts are the counts that stand first.
func (r backtestReport) facts() terminal.Table {
	s, t := r.Summary, table("", "")
	t.Add("looked at", plural(s.Incidents, "incident"))
	t.Add("matched", share(s.Matched, s.Incidents))
	if s.NoAnswer > 0 {
		t.Add("no answer", fmt.Sprintf("%s: the condition failed, so nothing starts", plural(s.NoAnswer, "incident")))
	}
	ended := make([]string, 0, len(s.Statuses))
	for _, x := range s.Statuses {
		ended = append(ended, fmt.Sprintf("%d %s", x.Count, x.Name))
	}
	runs := plural(s.Runs, "run")
	if len(ended) > 0 {
		runs += ": " + strings.Join(ended, ", ")
	}
	t.Add("would begin", runs)
	if s.Partly > 0 {
		t.Add("judged in part", fmt.Sprintf("%s: what comes of the rest is not known", share(s.Partly, s.Matched)))
	}
	if s.Assumed > 0 {
		t.Add("assumed", fmt.Sprintf("%s: nobody has looked what would change; one is counted on each thing acted upon", plural(s.Assumed, "effect")))
	}
	if r.Repeated > 0 {
		t.Add("repeated", fmt.Sprintf("%d: the first of each incident is taken", r.Repeated))
	}
	if len(r.Unread) > 0 {
		t.Add("not read", strconv.Itoa(len(r.Unread))+": named below")
	}
	return t
}

func share(n, of int) string {
	if of == 0 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%d (%.1f %%)", n, 100*float64(n)/float64(of))
}

// titled is a table with what it is about.
type titled struct {
	terminal.Table
	Title string
}

// most is how much of a list is shown; --output json has all of it.
const (
	mostTouched = 10
	mostShown   = 20
)

// tables are those of the report, for the terminal and the page.
func (r backtestReport) tables() []titled {
	s := r.Summary
	effects := table("EFFECT", "CLASS", "EFFECTS", "TARGETS", "INCIDENTS")
	for _, a := range slices.Concat(s.Classes, s.Actions) {
		effects.Add(cmp.Or(a.Action, "all"), string(a.Class), strconv.Itoa(a.Effects), strconv.Itoa(a.Targets), strconv.Itoa(a.Incidents))
	}
	touched := table("MOST TOUCHED", "WHICH", "EFFECTS")
	for _, list := range []struct {
		kind string
		all  []rehearse.Tally
	}{{"user", s.Users}, {"site", s.Sites}} {
		for _, x := range list.all[:min(len(list.all), mostTouched)] {
			touched.Add(list.kind, x.Name, strconv.Itoa(x.Count))
		}
	}
	gates := table("WOULD ASK AT", "WHOM", "TIMES", "TARGETS")
	for _, g := range s.Approvals {
		gates.Add(g.Step, strings.Join(g.Approvers, ", "), strconv.Itoa(g.Times), strconv.Itoa(g.Targets))
	}
	stops := table("STOPPED BY", "STEP", "ACTION", "TIMES", "WHY")
	for _, x := range s.Stops[:min(len(s.Stops), mostShown)] {
		stops.Add(map[string]string{rehearse.StopRefused: "protection", rehearse.StopCap: "cap"}[x.Guardrail], x.Step, x.Action, strconv.Itoa(x.Count), x.Why)
	}
	failures, gaps := table("FAILS AT", "CODE", "TIMES", "WHY"), table("NOT JUDGED", "TIMES", "WHY")
	for _, f := range s.Failures[:min(len(s.Failures), mostShown)] {
		failures.Add(f.Step, f.Code, strconv.Itoa(f.Count), f.Why)
	}
	var follow []string
	for _, g := range s.Unjudged[:min(len(s.Unjudged), mostShown)] {
		if g.Follows {
			follow = append(follow, g.Step)
			continue
		}
		gaps.Add(g.Step, strconv.Itoa(g.Count), g.Why)
	}
	if len(follow) > 0 {
		gaps.Add(strings.Join(follow, ", "), "", "need what is not known of those above")
	}
	counts, changed := r.differences()
	return []titled{
		{counts, "What this edit changes"},
		{effects, "What would have been done"},
		{touched, "Most touched"},
		{gates, "Approvals that would have been asked for"},
		{stops, "Stopped by guardrails"},
		{failures, "Failures"},
		{gaps, "What could not be judged"},
		{changed, "Incidents about which both differ"},
	}
}

// differences are the tables of what the other playbook would have done otherwise:
// how much, and about which incidents.
func (r backtestReport) differences() (counts, changed terminal.Table) {
	counts = table("THIS EDIT", "MORE", "FEWER")
	changed = table("INCIDENT", "WAS", "IS", "EFFECTS", "TITLE")
	a := r.Against
	if a == nil {
		return counts, changed
	}
	add := func(what string, d rehearse.DiffCount) {
		if d.More+d.Fewer > 0 {
			counts.Add(what, strconv.Itoa(d.More), strconv.Itoa(d.Fewer))
		}
	}
	add("incidents matched", a.Matches)
	for _, x := range a.Actions {
		add(x.Action+" ("+string(x.Class)+"): "+severals(x.Kind), x.Targets)
		add(x.Action+" ("+string(x.Class)+"): effects", x.Effects)
	}
	for _, c := range a.Changed[:min(len(a.Changed), mostShown)] {
		changed.Add(c.Incident, ended(c.Was, c.WasStatus), ended(c.Verdict, c.Status), differently(c), short(c.Title, maxName))
	}
	if more := len(a.Changed) - mostShown; more > 0 {
		changed.Add(fmt.Sprintf("%d more", more), "", "", "", "--output json has all of them")
	}
	return counts, changed
}

// ended says what came of one incident.
func ended(verdict string, statuses []string) string {
	if len(statuses) == 0 {
		return verdict
	}
	return strings.Join(slices.Compact(slices.Clone(statuses)), ", ")
}

// differently says what is done more and fewer about one incident.
func differently(c rehearse.Changed) string {
	counts := map[string]int{}
	for _, e := range c.More {
		counts["+"+e.Action]++
	}
	for _, e := range c.Fewer {
		counts["-"+e.Action]++
	}
	var parts []string
	for _, key := range sortedKeys(counts) {
		parts = append(parts, fmt.Sprintf("%s%d %s", key[:1], counts[key], key[1:]))
	}
	for _, x := range []struct {
		n    int
		what string
	}{{c.Asked.More, "+%d approvals"}, {c.Asked.Fewer, "-%d approvals"}, {c.Stops.More, "+%d stops"}, {c.Stops.Fewer, "-%d stops"}} {
		if x.n > 0 {
			parts = append(parts, fmt.Sprintf(x.what, x.n))
		}
	}
	return strings.Join(parts, ", ")
}
