package incidents

import (
	"context"
	"slices"
	"strings"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/incident"
)

type updateParams struct {
	Incident       string `json:"incident" doc:"id of the incident, such as defender/123 or sentinel/workspace/guid"`
	Status         string `json:"status,omitempty" enum:"active,inProgress,resolved" doc:"where the work on it stands"`
	Classification string `json:"classification,omitempty" enum:"unknown,falsePositive,truePositive,informationalExpectedActivity" doc:"verdict"`
	Determination  string `json:"determination,omitempty" enum:"unknown,apt,malware,securityPersonnel,securityTesting,unwantedSoftware,other,multiStagedAttack,compromisedAccount,phishing,maliciousUserActivity,notMalicious,notEnoughDataToValidate,confirmedActivity,lineOfBusinessApplication,suspiciousActivity,suspiciousButExpected,incorrectAlertLogic,inaccurateData" doc:"reason of the verdict; the last four of Sentinel only, which reads any other as the one that goes with the classification"`
	Severity       string `json:"severity,omitempty" enum:"informational,low,medium,high" doc:"severity; of Sentinel only: Graph lets nobody write it"`
}

type updated struct {
	Incident       string   `json:"incident" doc:"id of the incident"`
	Status         string   `json:"status" doc:"where the work on it stands now"`
	Classification string   `json:"classification" doc:"verdict now"`
	Determination  string   `json:"determination" doc:"reason of the verdict now"`
	Severity       string   `json:"severity" doc:"severity now"`
	Changed        []string `json:"changed" doc:"names of the fields that were changed; empty when all were so before"`
}

// Update writes status, severity, classification and determination.
func (s Shelf) Update() actions.Action {
	return actions.Spec[updateParams, updated]{
		Doc:   "Change status, severity, classification or determination of an incident.",
		Class: actions.Writes, Throttle: throttle, Elsewhere: azure(1, 2), Permissions: writes(),
		Repeat: actions.RepeatSame, Settling: settles, Writes: []string{"status", "classification", "determination", "severity"}, Source: apiPage,
		Example: "incident: \"${{ incident.id }}\"\nstatus: inProgress",
		Plan:    s.planUpdate, Do: s.doPatch, Check: s.checkPatch, Undo: s.undoPatch, Settle: settleUpdate,
	}.Action()
}

// known answers the word of the list that value spells in any case; empty is
// nil.
func known(param, value string, words []string) (*string, error) {
	if value == "" {
		return nil, nil
	}
	at := slices.IndexFunc(words, func(w string) bool { return strings.EqualFold(w, value) })
	if at < 0 {
		return nil, problem("expected one of "+strings.Join(words, ", "), "%s is %q", param, connectors.Plain(value))
	}
	return &words[at], nil
}

func written(values []string) []string {
	return slices.DeleteFunc(values, func(v string) bool { return v == "unknownFutureValue" })
}

// verdict reads status, classification and determination.
func verdict(status, classification, determination string) (f fields, err error) {
	if f.Status, err = known("status", status, statuses()); err != nil {
		return f, err
	}
	if f.Classification, err = known("classification", classification, written(incident.Classification("").Values())); err != nil {
		return f, err
	}
	f.Determination, err = known("determination", determination, append(written(incident.Determination("").Values()), reasons()...))
	return f, err
}

func (s Shelf) planUpdate(ctx context.Context, _ actions.Call, p updateParams) ([]actions.Effect, updated, error) {
	want, err := verdict(p.Status, p.Classification, p.Determination)
	if err != nil {
		return nil, updated{}, err
	}
	if want.Severity, err = known("severity", p.Severity, []string{"informational", "low", "medium", "high"}); err != nil {
		return nil, updated{}, err
	}
	if want.empty() {
		return nil, updated{}, problem("give status, classification, determination or severity", "there is nothing to change")
	}
	in, err := s.writable(ctx, p.Incident)
	if err != nil {
		return nil, updated{}, err
	}
	if want, err = fitting(in.Incident, want); err != nil {
		return nil, updated{}, err
	}
	return planPatch(in, want), outcome(in.Incident, want), nil
}

// outcome is the incident's verdict once it has the fields.
func outcome(in incident.Incident, want fields) updated {
	out := updated{
		Incident: in.ID, Status: string(in.Status), Classification: string(in.Classification), Determination: string(in.Determination), Severity: string(in.Severity),
		Changed: want.different(want.of(in)).names(),
	}
	for into, v := range map[*string]*string{
		&out.Status: want.Status, &out.Classification: want.Classification, &out.Determination: want.Determination, &out.Severity: want.Severity,
	} {
		if v != nil {
			*into = *v
		}
	}
	return out
}

// settleUpdate tells what really was changed.
func settleUpdate(out updated, effects []actions.Effect) updated {
	for _, e := range effects {
		state := e.After
		if e.Status != actions.Done {
			out.Changed, state = []string{}, e.Before
		}
		f, err := actions.Kept[fields](state, "state")
		if err != nil {
			continue
		}
		for into, v := range map[*string]*string{
			&out.Status: f.Status, &out.Classification: f.Classification, &out.Determination: f.Determination, &out.Severity: f.Severity,
		} {
			if v != nil {
				*into = *v
			}
		}
	}
	return out
}
