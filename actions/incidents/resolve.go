package incidents

import (
	"context"
	"strings"

	"stanch/actions"
)

type resolveParams struct {
	Incident       string `json:"incident" doc:"id of the incident, such as defender/123 or sentinel/workspace/guid"`
	Classification string `json:"classification" enum:"falsePositive,truePositive,informationalExpectedActivity" doc:"verdict"`
	Determination  string `json:"determination,omitempty" enum:"apt,malware,securityPersonnel,securityTesting,unwantedSoftware,other,multiStagedAttack,compromisedAccount,phishing,maliciousUserActivity,notMalicious,notEnoughDataToValidate,confirmedActivity,lineOfBusinessApplication,suspiciousActivity,suspiciousButExpected,incorrectAlertLogic,inaccurateData" doc:"reason of the verdict; the last four of Sentinel only, which reads any other as the one that goes with the classification"`
	Comment        string `json:"comment,omitempty" doc:"added before the incident is resolved; not when it was resolved so before"`
}

type closed struct {
	updated
	Commented bool `json:"commented" doc:"whether the comment was added"`
}

// Resolve closes an incident with a verdict.
func (s Shelf) Resolve() actions.Action {
	return actions.Spec[resolveParams, closed]{
		Doc:   "Resolve an incident with a verdict, and with a comment if one is given.",
		Class: actions.Writes, Throttle: throttle, Elsewhere: azure(2, 2), Permissions: writes(),
		Repeat: actions.RepeatSame, Settling: settles, Writes: []string{"status", "classification", "determination", "comments"}, Source: apiPage,
		Example: "incident: \"${{ incident.id }}\"\nclassification: truePositive\ndetermination: confirmedActivity",
		Plan:    s.planResolve, Do: s.doPatch, Check: s.checkPatch, Undo: s.undoPatch, Settle: settleResolve,
	}.Action()
}

func (s Shelf) planResolve(ctx context.Context, _ actions.Call, p resolveParams) ([]actions.Effect, closed, error) {
	want, err := verdict(resolved, p.Classification, p.Determination)
	if err != nil {
		return nil, closed{}, err
	}
	if want.Classification == nil || *want.Classification == "unknown" {
		return nil, closed{}, problem("expected falsePositive, truePositive or informationalExpectedActivity", "an incident is resolved with a classification")
	}
	in, err := s.writable(ctx, p.Incident)
	if err != nil {
		return nil, closed{}, err
	}
	if want, err = fitting(in.Incident, want); err != nil {
		return nil, closed{}, err
	}
	return s.withRemark(ctx, in, want, p.Comment)
}

// withRemark answers the effects that say a comment, where one is given, and
// give the incident the fields; none if it has them.
func (s Shelf) withRemark(ctx context.Context, in subject, want fields, comment string) ([]actions.Effect, closed, error) {
	out := closed{updated: outcome(in.Incident, want)}
	effects := planPatch(in, want)
	if text := strings.TrimSpace(comment); text != "" && len(effects) > 0 {
		e, err := s.remark(ctx, in, text)
		if err != nil {
			return nil, closed{}, err
		}
		e.Action = "incidents.comment"
		effects = append([]actions.Effect{e}, effects...)
		out.Commented = true
	}
	return effects, out, nil
}

// settleResolve tells what really was done.
func settleResolve(out closed, effects []actions.Effect) closed {
	out.Commented = false
	for _, e := range effects {
		if e.Action == "incidents.comment" {
			out.Commented = e.Status == actions.Done
		} else {
			out.updated = settleUpdate(out.updated, []actions.Effect{e})
		}
	}
	return out
}
