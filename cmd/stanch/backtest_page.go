package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/engine/rehearse"
)

//go:embed backtest.html
var backtestPage string

// mostListed is how many incidents a page shows one by one.
const mostListed = 1000

// pageData is what the page shows. Every text that may be an attacker's goes through
// terminal.OneLine, which makes visible what hides or turns text; the template
// escapes it for where it stands.
type pageData struct {
	Title, Headline, Taken, Against string
	Facts                           [][]string
	Days                            []pageDay
	Width                           int // of the picture of the days
	Most                            int // effects on one day
	LastDay                         string
	Tables                          []pageTable
	Incidents                       []pageIncident
	More                            int // incidents that are not listed
	Unread                          []notRead
}

type pageTable struct {
	Title string
	Head  []string
	Rows  [][]string
}

// pageDay is a bar: what matched of what came, and how much would have been done.
type pageDay struct {
	rehearse.Day
	X, Height, Y int
}

type pageIncident struct {
	ID, Title, Opened, Severity, Because string
	Runs                                 []pageRun
}

type pageRun struct {
	Status, Note               string
	Effects, Asked, Stops, Gap []string
}

// How the days are drawn.
const (
	barWidth  = 12
	barHeight = 80
)

// pageOf makes one HTML page of a report, which refers to nothing.
func pageOf(r backtestReport) ([]byte, error) {
	d := pageData{Title: terminal.OneLine(r.about()), Taken: r.taken(), Facts: textsOf(r.facts().Rows)}
	if r.Against != nil {
		d.Headline, d.Against = terminal.OneLine(r.Against.Headline), terminal.OneLine(r.Against.Playbook.File)
	}
	for _, t := range r.tables() {
		if len(t.Rows) > 0 {
			head := strings.Split(strings.ToLower(strings.Join(t.Head, "\n")), "\n")
			d.Tables = append(d.Tables, pageTable{t.Title, head, textsOf(t.Rows)})
		}
	}
	for _, day := range r.Summary.Days {
		d.Most, d.LastDay = max(d.Most, day.Effects), day.Date
	}
	d.Days, d.Width = bars(r.Summary.Days, d.Most), barWidth*len(r.Summary.Days)
	for _, t := range r.Incidents {
		switch {
		case t.Verdict == rehearse.NotMatched:
		case len(d.Incidents) >= mostListed:
			d.More++
		default:
			d.Incidents = append(d.Incidents, listed(t))
		}
	}
	for _, u := range r.Unread {
		d.Unread = append(d.Unread, notRead{terminal.OneLine(u.Where), terminal.OneLine(u.Why)})
	}
	t, err := template.New("backtest").Parse(backtestPage)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, d)
	return b.Bytes(), err
}

// textsOf are the cells of rows as plain text.
func textsOf(rows [][]any) [][]string {
	out := make([][]string, len(rows))
	for i, row := range rows {
		for _, cell := range row {
			if t, is := cell.(terminal.Text); is {
				cell = t.Text
			}
			out[i] = append(out[i], terminal.OneLine(fmt.Sprint(cell)))
		}
	}
	return out
}

// bars are as high as the most effects of a day allow.
func bars(days []rehearse.Day, most int) []pageDay {
	out := make([]pageDay, len(days))
	for i, d := range days {
		h := d.Effects * barHeight / max(most, 1)
		if d.Effects > 0 {
			h = max(h, 2)
		}
		out[i] = pageDay{d, i * barWidth, h, barHeight - h}
	}
	return out
}

func listed(t rehearse.Tried) pageIncident {
	p := pageIncident{
		ID: terminal.OneLine(t.Incident), Title: terminal.OneLine(t.Title), Opened: instant(t.CreatedAt),
		Severity: terminal.OneLine(t.Severity), Because: terminal.OneLine(t.Because),
	}
	for _, r := range t.Runs {
		run := pageRun{Status: r.Came(), Note: terminal.OneLine(r.Reason)}
		if r.Error != nil {
			run.Note = terminal.OneLine(faultText(*r.Error))
		}
		for _, e := range r.Effects {
			text := e.Action + " on " + targetName(e.Target)
			if e.Assumed {
				text += " (assumed)"
			}
			run.Effects = append(run.Effects, terminal.OneLine(text))
		}
		for _, q := range r.Approvals {
			run.Asked = append(run.Asked, terminal.OneLine(q.Ask+" ("+strings.Join(q.Approvers, ", ")+")"))
		}
		for _, s := range r.Stops {
			run.Stops = append(run.Stops, terminal.OneLine(s.Action+" on "+targetName(s.Target)+": "+s.Why))
		}
		for _, g := range r.Unjudged {
			run.Gap = append(run.Gap, terminal.OneLine(g.Step+": "+g.Why))
		}
		p.Runs = append(p.Runs, run)
	}
	return p
}
