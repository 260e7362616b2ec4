package main

import (
	"fmt"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/engine/rehearse"
)

// testCoverage is the coverage in the JSON of `stanch test`; shares are in
// percent.
type testCoverage struct {
	Steps     float64            `json:"steps"`
	Branches  float64            `json:"branches"`
	Playbooks []playbookCoverage `json:"playbooks"`
}

// playbookCoverage is what the cases of one playbook reach. A branch stands under
// the path of its step and the way that it is: gate/if=false.
type playbookCoverage struct {
	Playbook string      `json:"playbook"`
	File     string      `json:"file"`
	Percent  shares      `json:"percent"`
	Steps    []testPoint `json:"steps"`
	Branches []testPoint `json:"branches"`
}

type shares struct {
	Steps    float64 `json:"steps"`
	Branches float64 `json:"branches"`
}

type testPoint struct {
	Path    string `json:"path"`
	Line    int    `json:"line"`
	Covered bool   `json:"covered"`
}

func coverageData(list []rehearse.Coverage) testCoverage {
	out := testCoverage{Playbooks: []playbookCoverage{}}
	var steps, branches rehearse.Share
	for _, c := range list {
		steps, branches = steps.Plus(c.Steps), branches.Plus(c.Branches)
		one := playbookCoverage{
			Playbook: c.Playbook, File: c.File, Percent: shares{percent(c.Steps), percent(c.Branches)}, Steps: []testPoint{}, Branches: []testPoint{},
		}
		for _, p := range c.Points() {
			if p.Way == "" {
				one.Steps = append(one.Steps, testPoint{p.Path, p.Line, c.Covers(p)})
			} else {
				one.Branches = append(one.Branches, testPoint{p.Path + "/" + p.Way, p.Line, c.Covers(p)})
			}
		}
		out.Playbooks = append(out.Playbooks, one)
	}
	out.Steps, out.Branches = percent(steps), percent(branches)
	return out
}

// percent is a share in percent with one digit, never rounded up to 100.
func percent(s rehearse.Share) float64 { return float64(int(s.Percent()*10)) / 10 }

// coverageText tells the coverage of each playbook and what is missing.
func (sh *shell) coverageText(list []rehearse.Coverage) {
	for _, c := range list {
		style := terminal.Green
		if len(c.Missing) > 0 {
			style = terminal.Yellow
		}
		sh.out.Line(terminal.Text{Style: style, Text: fmt.Sprintf("%s: steps %v%% (%d of %d), branches %v%% (%d of %d)",
			c.File, percent(c.Steps), c.Steps.Covered, c.Steps.Total, percent(c.Branches), c.Branches.Covered, c.Branches.Total)})
		for _, p := range c.Missing {
			sh.out.Line(fmt.Sprintf("  %s:%d: %s", c.File, p.Line, p))
		}
	}
}

// below tells which playbooks are covered by less than is asked.
func (sh *shell) below(list []rehearse.Coverage, least float64) bool {
	below := false
	for _, c := range list {
		if c.Steps.Percent() < least || c.Branches.Percent() < least {
			below = true
			sh.err.Line(terminal.Text{Style: terminal.Red, Text: fmt.Sprintf("%s is covered by %v%% of steps and %v%% of branches, less than %v%%",
				c.File, percent(c.Steps), percent(c.Branches), least)})
		}
	}
	return below
}
