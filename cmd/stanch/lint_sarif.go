package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"stanch/playbooks"
)

// sarifSchema is the schema that asSARIF follows
// (docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os).
const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool struct {
		Driver sarifDriver `json:"driver"`
	} `json:"tool"`
	ColumnKind string        `json:"columnKind"`
	Results    []sarifResult `json:"results"`
}

type sarifDriver struct {
	Name    string      `json:"name"`
	Version string      `json:"version"`
	Rules   []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID      string      `json:"id"`
	Short   sarifText   `json:"shortDescription"`
	Full    sarifText   `json:"fullDescription"`
	Help    sarifText   `json:"help"`
	Default sarifConfig `json:"defaultConfiguration"`
}

type sarifConfig struct {
	Level string `json:"level"`
}

type sarifText struct {
	Text     string `json:"text"`
	Markdown string `json:"markdown,omitempty"`
}

type sarifResult struct {
	RuleID       string             `json:"ruleId"`
	RuleIndex    int                `json:"ruleIndex"`
	Level        string             `json:"level"`
	Message      sarifText          `json:"message"`
	Locations    []sarifLocation    `json:"locations"`
	Fingerprints map[string]string  `json:"partialFingerprints"`
	Suppressions []sarifSuppression `json:"suppressions"` // empty: none of them is
}

type sarifLocation struct {
	Physical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region sarifRegion `json:"region"`
	} `json:"physicalLocation"`
}

type sarifRegion struct {
	StartLine   int `json:"startLine"`
	StartColumn int `json:"startColumn"`
	EndLine     int `json:"endLine"`
	EndColumn   int `json:"endColumn"` // the first column behind the region
}

type sarifSuppression struct {
	Kind          string `json:"kind"`
	Justification string `json:"justification"`
}

// asSARIF is what was found as a SARIF log of one run. Its rules are those that
// have results. What a comment suppresses is there too, with its reason.
func asSARIF(files []linted, b build) sarifLog {
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "stanch", Version: b.Version, Rules: sarifRules(files)}
	index := map[string]int{}
	for i, r := range run.Tool.Driver.Rules {
		index[r.ID] = i
	}
	for _, f := range files {
		prints := fingerprints{}
		for _, x := range f.all() {
			r := sarifResult{
				RuleID: x.Code, RuleIndex: index[x.Code], Level: x.Severity, Message: sarifText{Text: x.Message},
				Fingerprints: map[string]string{"stanchFinding/v1": prints.of(x.Finding)}, Suppressions: []sarifSuppression{},
			}
			if x.Hint != "" {
				r.Message.Text += " (" + x.Hint + ")"
			}
			if x.Reason != "" {
				r.Suppressions = append(r.Suppressions, sarifSuppression{"inSource", x.Reason})
			}
			var at sarifLocation
			at.Physical.Artifact.URI = fileURI(x.File)
			at.Physical.Region = sarifRegion{x.Line, x.Column, x.EndLine, x.EndColumn}
			r.Locations = []sarifLocation{at}
			run.Results = append(run.Results, r)
		}
	}
	return sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{run}}
}

// all are the findings of a file, those that are suppressed among them, in order
// of their places.
func (f linted) all() []playbooks.Suppressed {
	all := slices.Clone(f.suppressed)
	for _, x := range f.findings {
		all = append(all, playbooks.Suppressed{Finding: x})
	}
	slices.SortStableFunc(all, func(a, b playbooks.Suppressed) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Code, b.Code))
	})
	return all
}

// sarifRules are the codes that were found, with their pages.
func sarifRules(files []linted) []sarifRule {
	found := map[string]bool{}
	for _, f := range files {
		for _, x := range f.all() {
			found[x.Code] = true
		}
	}
	rules := []sarifRule{}
	for _, e := range playbooks.Explanations() {
		if !found[e.Code] {
			continue
		}
		rules = append(rules, sarifRule{
			ID: e.Code, Short: sarifText{Text: e.Title}, Full: sarifText{Text: e.Text},
			Help: sarifText{Text: plainPage(e), Markdown: e.Page()}, Default: sarifConfig{severityOf(e.Code)},
		})
	}
	return rules
}

func severityOf(code string) string {
	if strings.HasPrefix(code, "E") {
		return playbooks.SeverityError
	}
	return playbooks.SeverityWarning
}

// fileURI is a path as a reference that SARIF takes: relative as it is, an
// absolute path with its scheme.
func fileURI(file string) string {
	slashed := filepath.ToSlash(file)
	if !filepath.IsAbs(file) {
		return (&url.URL{Path: slashed}).String()
	}
	if !strings.HasPrefix(slashed, "/") { // a drive of Windows
		slashed = "/" + slashed
	}
	return (&url.URL{Scheme: "file", Path: slashed}).String()
}

// fingerprints tell findings apart that are otherwise alike.
type fingerprints map[string]int

// of is the same for a finding in the next version of its file, though lines
// above have come or gone: code, file, the text of the line, and which of those
// it is.
func (p fingerprints) of(f playbooks.Finding) string {
	key := f.Code + "\x00" + filepath.ToSlash(f.File) + "\x00" + strings.Join(strings.Fields(f.Source()), " ")
	p[key]++
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", key, p[key]))
	return hex.EncodeToString(sum[:16])
}
