package incidents

import (
	"slices"
	"strings"

	"stanch/connectors"
	"stanch/connectors/incident"
	"stanch/connectors/sentinel"
)

// reasons are Sentinel's own words for the reason of a verdict, as the model
// has them.
func reasons() []string {
	return []string{"suspiciousActivity", "suspiciousButExpected", "incorrectAlertLogic", "inaccurateData"}
}

// reasonOf is the reason that Sentinel gives to a classification of Defender,
// whatever its determination
// (learn.microsoft.com/azure/sentinel/microsoft-365-defender-sentinel-integration).
func reasonOf(classification string) string {
	switch classification {
	case "truePositive":
		return "suspiciousActivity"
	case "falsePositive":
		return "inaccurateData"
	case "informationalExpectedActivity":
		return "suspiciousButExpected"
	}
	return "unknown"
}

// fitting answers what of the wish its product takes, in its own words, or why
// it takes none of it.
func fitting(in incident.Incident, want fields) (fields, error) {
	if in.Source == incident.Sentinel {
		return fittingSentinel(in, want)
	}
	if want.Severity != nil {
		return want, problem("leave it out, or act on the incident in Sentinel", "severity: Graph lets nobody write that of an incident of Defender")
	}
	if want.Determination != nil && slices.Contains(reasons(), *want.Determination) {
		return want, problem("expected one of "+strings.Join(written(incident.Determination("").Values()), ", "), "determination is %q, a word of Sentinel; the incident is one of Defender", *want.Determination)
	}
	return want, nil
}

// fittingSentinel: Sentinel has a verdict on closed incidents only and, with
// each classification, its own reasons.
func fittingSentinel(in incident.Incident, want fields) (fields, error) {
	status := string(in.Status)
	if want.Status != nil {
		status = *want.Status
	}
	verdict := want.Classification != nil || want.Determination != nil
	switch {
	case verdict && status != resolved:
		return want, problem("give status: resolved with it, or use incidents.resolve", "Sentinel takes a verdict only of an incident that is closed; this one is %s", connectors.Plain(status))
	case status != resolved && in.Status == resolved: // the verdict goes with the closing
		want.Classification, want.Determination = new("unknown"), new("unknown")
		return want, nil
	case !verdict && (status != resolved || in.Status == resolved):
		return want, nil
	}
	class := string(in.Classification)
	if want.Classification != nil {
		class = *want.Classification
	}
	reason := reasonOf(class)
	if want.Determination != nil && slices.Contains(reasons(), *want.Determination) {
		if reason == "inaccurateData" && *want.Determination == "incorrectAlertLogic" {
			reason = *want.Determination
		}
		if reason != *want.Determination {
			return want, problem("leave determination out, or take one that goes with the classification", "determination %s does not go with the classification %s in Sentinel", *want.Determination, connectors.Plain(class))
		}
	}
	want.Classification, want.Determination = &class, &reason
	return want, nil
}

// capital is a word of the model as Sentinel writes it.
func capital(word string) string {
	if word == "" {
		return ""
	}
	return strings.ToUpper(word[:1]) + word[1:]
}

// onto writes the fields into what Sentinel has of an incident.
func (f fields) onto(p *sentinel.Properties) {
	if f.Status != nil {
		p.Status = map[string]string{"active": "New", "inProgress": "Active", resolved: "Closed"}[*f.Status]
	}
	if f.Severity != nil {
		p.Severity = capital(*f.Severity)
	}
	if f.Classification != nil {
		p.Classification = map[string]string{
			"truePositive": "TruePositive", "falsePositive": "FalsePositive", "informationalExpectedActivity": "BenignPositive",
		}[*f.Classification]
	}
	if f.Determination != nil {
		p.ClassificationReason = ""
		if slices.Contains(reasons(), *f.Determination) {
			p.ClassificationReason = capital(*f.Determination)
		}
	}
	if p.Status == "Closed" && p.Classification == "" { // which a closed one needs
		p.Classification = "Undetermined"
	}
	if f.AssignedTo != nil {
		p.Owner = owner(*f.AssignedTo)
	}
}

// owner is who a text names; nobody, if it is empty.
func owner(who string) *sentinel.Owner {
	switch {
	case who == "":
		return nil
	case strings.Contains(who, "@"):
		return &sentinel.Owner{UPN: who}
	}
	return &sentinel.Owner{Name: who}
}
