package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"stanch/engine/history"
)

// around is how many events of a run are shown with a violation.
const around = 12

// report prints what was found, each in one line, followed by the last events
// of its run up to the last that shows it.
func report(out io.Writer, lines []history.Line, found []history.Violation) {
	for _, v := range found {
		place := v.Run
		if v.Strand != "" {
			place += " " + v.Strand
		}
		fmt.Fprintf(out, "law %d: %s: %s\n", v.Law, cmp.Or(place, "the store"), v.Message)
		for _, i := range events(lines, v) {
			sign := " "
			if slices.Contains(v.Lines, i) {
				sign = ">"
			}
			fmt.Fprintf(out, "  %s %d: %s\n", sign, i+1, event(lines[i]))
		}
	}
}

// events answers the lines that show a violation and the last ones of its run
// before them.
func events(lines []history.Line, v history.Violation) []int {
	picked := slices.Clone(v.Lines)
	last := len(lines) - 1
	if len(v.Lines) > 0 {
		last = v.Lines[len(v.Lines)-1]
	}
	for i := last; i >= 0 && v.Run != "" && len(picked) < around+len(v.Lines); i-- {
		if names(lines[i], v.Run, v.Strand) && !slices.Contains(picked, i) {
			picked = append(picked, i)
		}
	}
	slices.Sort(picked)
	return picked
}

// names reports whether a line is about a strand, or about its run as a whole.
func names(l history.Line, run, strand string) bool {
	if l.Run == run {
		return l.Strand == strand || strand == ""
	}
	if l.Answer == nil {
		return false
	}
	return slices.Contains(l.Answer.Begun, run) ||
		slices.ContainsFunc(l.Answer.Grants, func(g history.Grant) bool { return g.Run == run && g.Strand == strand })
}

// event says in one line what a line of a history says.
func event(l history.Line) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%s #%d %s %s", l.Node, l.Life, l.N, l.Ev, cmp.Or(l.End, "…"))
	if l.Run != "" {
		fmt.Fprintf(&b, " %s %q at %d", l.Run, l.Strand, l.Seq)
	}
	if l.Token != "" {
		fmt.Fprintf(&b, " token %s", l.Token)
	}
	if a := l.Ask; a != nil {
		asked(&b, a)
	}
	if a := l.Answer; a != nil {
		answered(&b, a)
	}
	if l.Why != "" {
		fmt.Fprintf(&b, " (%s)", l.Why)
	}
	return b.String()
}

func asked(b *strings.Builder, a *history.Ask) {
	if a.Intent {
		b.WriteString(" intent")
	}
	if a.Mark != "" {
		fmt.Fprintf(b, " mark %s", a.Mark)
	}
	if t := a.Then; t != nil {
		fmt.Fprintf(b, " then %s", strings.TrimSpace(strings.Join([]string{t.Kind, t.Path, t.Outcome}, " ")))
	}
	for _, s := range a.Said {
		fmt.Fprintf(b, " %s", strings.Join(strings.Fields(strings.Join([]string{s.Kind, s.Effect, s.Status}, " ")), ":"))
	}
	for _, t := range a.Take {
		fmt.Fprintf(b, " take %s of %d for %s", t.Name, t.Limit, t.Effect)
	}
}

func answered(b *strings.Builder, a *history.Answer) {
	if a.Refused != "" {
		fmt.Fprintf(b, " refused: %s", a.Refused)
	}
	for _, g := range a.Grants {
		fmt.Fprintf(b, " → %s %q at %d token %s", g.Run, g.Strand, g.Seq, g.Token)
		if g.Children != nil {
			fmt.Fprintf(b, " joined [%s]", *g.Children)
		}
	}
	if a.Frozen {
		b.WriteString(" frozen")
	}
}

// summary prints what the history held.
func summary(out io.Writer, lines []history.Line, found int) {
	var begins, settles, claims, joins, effects, unknown, invoked, completed int
	for _, l := range lines {
		if l.End == "" {
			invoked++
			continue
		}
		completed++
		if l.End == history.Info {
			unknown++
		}
		if l.Answer == nil {
			continue
		}
		switch l.Ev {
		case "begin":
			if l.Answer.New {
				begins++
			}
		case "claim":
			claims += len(l.Answer.Grants)
		case "settle":
			begins += len(l.Answer.Begun)
			settles++
		}
		for _, g := range l.Answer.Grants {
			if g.Children != nil {
				joins++
			}
		}
	}
	for _, l := range lines {
		if l.Ask != nil && l.End == "" && l.Ask.Intent {
			effects++
		}
	}
	unknown += invoked - completed
	fmt.Fprintf(out, "%d lines: %d runs, %d settles, %d claimed, %d joins, %d intents, %d calls that nobody knows the end of: %d violations\n",
		len(lines), begins, settles, claims, joins, effects, unknown, found)
}
