package main

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/engine/rehearse"
	"stanch/playbooks"
)

// testCase is one case in the JSON of `stanch test`.
type testCase struct {
	File     string  `json:"file"`
	Line     int     `json:"line"`
	Name     string  `json:"name"`
	Status   string  `json:"status"` // passed | failed | error
	Message  string  `json:"message,omitempty"`
	Duration float64 `json:"duration_ms"`
}

// testOutcome is the JSON of `stanch test`.
type testOutcome struct {
	Cases    []testCase         `json:"cases"`
	Coverage testCoverage       `json:"coverage"`
	Mutation *rehearse.Mutation `json:"mutation,omitempty"`
}

func caseOf(r rehearse.Result) testCase {
	return testCase{r.File, r.Line, r.Name, r.Status, r.Message, float64(r.Took.Microseconds()) / 1000}
}

// testReport prints a report as asked.
func (sh *shell) testReport(r rehearse.Report, m *rehearse.Mutation, o testOptions) error {
	switch sh.output {
	case "json":
		out := testOutcome{Cases: []testCase{}}
		for _, one := range r.Results {
			out.Cases = append(out.Cases, caseOf(one))
		}
		out.Coverage, out.Mutation = coverageData(r.Coverage), m
		return sh.out.Data(terminal.Format("json"), out)
	case "junit":
		return sh.junit(r)
	}
	sh.testText(r, o)
	if o.coverage {
		sh.coverageText(r.Coverage)
	}
	if m != nil {
		sh.mutationText(*m)
	}
	return nil
}

func (sh *shell) testText(r rehearse.Report, o testOptions) {
	failed, took := 0, time.Duration(0)
	for _, c := range r.Results {
		took += c.Took
		at := fmt.Sprintf("%s:%d: %s", c.File, c.Line, c.Name)
		if c.Status == rehearse.Passed {
			if o.verbose {
				sh.out.Line(terminal.Text{Style: terminal.Green, Text: "pass  "}, at, fmt.Sprintf("  (%s)", c.Took.Round(100*time.Microsecond)))
				sh.walked(c)
			}
			continue
		}
		failed++
		word := "FAIL  "
		if c.Status == rehearse.Broken {
			word = "ERROR "
		}
		sh.out.Line(terminal.Text{Style: terminal.Red, Text: word}, at)
		for line := range strings.SplitSeq(c.Message, "\n") {
			sh.out.Line("      ", line)
		}
	}
	style := terminal.Green
	if failed > 0 {
		style = terminal.Red
	}
	sh.out.Line(terminal.Text{Style: style, Text: fmt.Sprintf("%s passed, %d failed", plural(len(r.Results)-failed, "case"), failed)})
}

// walked shows the steps that a case took.
func (sh *shell) walked(c rehearse.Result) {
	for _, s := range c.Run.Steps {
		sh.out.Line(fmt.Sprintf("        %-10s %s", s.Status, s.Path))
		for _, e := range s.Effects {
			sh.out.Line(fmt.Sprintf("                   %s %s: %s", e.Status, e.Action, e.Target.Name))
		}
	}
}

// errFinding tells a finding beside the data.
func (sh *shell) errFinding(f playbooks.Finding) {
	style := terminal.Red
	if f.Severity == playbooks.SeverityWarning {
		style = terminal.Yellow
	}
	head, rest, _ := strings.Cut(f.Text(), "\n")
	sh.err.Line(terminal.Text{Style: style, Text: head})
	if rest != "" {
		sh.err.Line(rest)
	}
}

type caseSuites struct {
	XMLName  xml.Name    `xml:"testsuites"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Time     string      `xml:"time,attr"`
	Suites   []caseSuite `xml:"testsuite"`
}

type caseSuite struct {
	Name     string        `xml:"name,attr"`
	Tests    int           `xml:"tests,attr"`
	Failures int           `xml:"failures,attr"`
	Errors   int           `xml:"errors,attr"`
	Cases    []caseElement `xml:"testcase"`
}

type caseElement struct {
	Name    string      `xml:"name,attr"`
	Class   string      `xml:"classname,attr"`
	File    string      `xml:"file,attr"`
	Line    int         `xml:"line,attr"`
	Time    string      `xml:"time,attr"`
	Failure *caseDetail `xml:"failure,omitempty"`
	Error   *caseDetail `xml:"error,omitempty"`
}

type caseDetail struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// junit writes the report as JUnit XML, as CI systems read it.
func (sh *shell) junit(r rehearse.Report) error {
	all := caseSuites{Tests: len(r.Results)}
	var took time.Duration
	for _, c := range r.Results {
		if len(all.Suites) == 0 || all.Suites[len(all.Suites)-1].Name != c.File {
			all.Suites = append(all.Suites, caseSuite{Name: c.File})
		}
		s := &all.Suites[len(all.Suites)-1]
		one := caseElement{Name: c.Name, Class: c.File, File: c.File, Line: c.Line, Time: seconds(c.Took)}
		first, _, _ := strings.Cut(c.Message, "\n")
		switch c.Status {
		case rehearse.Failed:
			one.Failure = &caseDetail{first, c.Message}
			s.Failures++
			all.Failures++
		case rehearse.Broken:
			one.Error = &caseDetail{first, c.Message}
			s.Errors++
			all.Errors++
		}
		took += c.Took
		s.Tests++
		s.Cases = append(s.Cases, one)
	}
	all.Time = seconds(took)
	body, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("junit: %w", err)
	}
	sh.out.Printf("%s%s\n", xml.Header, body)
	return nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
