package main

import (
	"encoding/xml"
	"fmt"
	"strings"

	"stanch/playbooks"
)

// The elements of a JUnit report that Jenkins, GitLab and Azure Pipelines read.
type junitReport struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	File    string        `xml:"file,attr"`
	Line    int           `xml:"line,attr,omitempty"`
	Failure *junitMessage `xml:"failure"`
	Skipped *junitMessage `xml:"skipped"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitMessage struct {
	Type    string `xml:"type,attr,omitempty"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// asJUnit is a report with a suite for each file and a case for each finding; a
// file without any is a case that passes. JUnit knows no warnings: they pass and
// say what they are, and fail only where they fail the command. What a comment
// suppresses is skipped, with its reason.
func asJUnit(files []linted, strict bool) ([]byte, error) {
	r := junitReport{Name: "stanch lint"}
	for _, f := range files {
		s := junitSuite{Name: f.file}
		for _, x := range f.findings {
			c := junitFinding(x)
			if strict || x.Severity == playbooks.SeverityError {
				c.Failure = &junitMessage{Type: x.Code, Message: x.Message, Text: x.Text()}
				s.Failures++
			} else {
				c.Output = x.Text()
			}
			s.Cases = append(s.Cases, c)
		}
		for _, x := range f.suppressed {
			c := junitFinding(x.Finding)
			c.Skipped = &junitMessage{Message: x.Reason}
			s.Skipped++
			s.Cases = append(s.Cases, c)
		}
		if len(f.findings) == 0 {
			s.Cases = append(s.Cases, junitCase{Class: f.file, Name: "no findings", File: f.file})
		}
		s.Tests = len(s.Cases)
		r.Tests, r.Failures, r.Skipped = r.Tests+s.Tests, r.Failures+s.Failures, r.Skipped+s.Skipped
		r.Suites = append(r.Suites, s)
	}
	text, err := xml.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("junit: %w", err)
	}
	return []byte(strings.TrimSpace(xml.Header) + "\n" + string(text) + "\n"), nil
}

func junitFinding(f playbooks.Finding) junitCase {
	return junitCase{Class: f.File, Name: fmt.Sprintf("%s %d:%d %s", f.Code, f.Line, f.Column, f.Message), File: f.File, Line: f.Line}
}
