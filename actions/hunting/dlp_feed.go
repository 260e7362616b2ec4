package hunting

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/activity"
)

type noParams struct{}

type feedState struct {
	Subscribed bool `json:"subscribed" doc:"whether the audit log's events of data loss prevention are gathered for this app"`
}

const (
	feedPage    = "https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference"
	feedSettles = time.Minute
)

// StartDlpFeed subscribes the app to the events that incidents.dlp_details reads.
func (s Shelf) StartDlpFeed() actions.Action {
	return s.switching(true, actions.Spec[noParams, feedState]{
		Doc: "Begin to gather the audit log's events of data loss prevention for this app, which incidents.dlp_details reads. Once for each app is enough; the first events come after up to twelve hours.",
	})
}

// StopDlpFeed ends the subscription.
func (s Shelf) StopDlpFeed() actions.Action {
	return s.switching(false, actions.Spec[noParams, feedState]{
		Doc: "Gather the audit log's events of data loss prevention no longer for this app. What happens until it is begun again is never to be had.",
	})
}

// switching is the action that turns the subscription on or off.
func (s Shelf) switching(on bool, spec actions.Spec[noParams, feedState]) actions.Action {
	spec.Class, spec.Throttle, spec.Repeat, spec.Settling, spec.Source, spec.Permissions = actions.Writes, "activity", actions.RepeatSame, feedSettles, feedPage, []actions.Permission{
		{API: "activity", Name: activity.Read}, {API: "activity", Name: activity.ReadDLP},
	}
	spec.Example = "{}"
	spec.Plan = func(ctx context.Context, _ actions.Call, _ noParams) ([]actions.Effect, feedState, error) {
		was, err := s.subscribed(ctx)
		if err != nil || was == on {
			return nil, feedState{on}, err
		}
		return []actions.Effect{feedEffect(was, on)}, feedState{on}, nil
	}
	spec.Do = s.switchFeed
	spec.Check = func(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Finding, error) {
		want, err := wished(e.Request)
		if err != nil {
			return actions.Finding{}, err
		}
		is, err := s.subscribed(ctx)
		if err != nil {
			return actions.Finding{}, err
		}
		if is != want {
			return actions.Finding{Answer: actions.DidNot, Why: "the subscription is as it was"}, nil
		}
		return actions.Finding{Answer: actions.Happened, After: actions.JSON(feedState{is})}, nil
	}
	spec.Undo = s.undoFeed
	return spec.Action()
}

// hasFeed refuses what needs the activity feed where the cloud has none.
func (s Shelf) hasFeed() error {
	if s.Activity == nil {
		return invalid("", "the cloud of this tenant has no Office 365 Management Activity API")
	}
	return nil
}

// subscribed reports whether this app gets the events.
func (s Shelf) subscribed(ctx context.Context) (bool, error) {
	if err := s.hasFeed(); err != nil {
		return false, err
	}
	all, err := s.Activity.Subscriptions(ctx)
	return slices.Contains(all, activity.Subscription{Type: activity.DLP, Enabled: true}), err
}

func feedEffect(was, on bool) actions.Effect {
	action := "hunting.stop_dlp_feed"
	if on {
		action = "hunting.start_dlp_feed"
	}
	effect := actions.Effect{
		Action: action, Class: actions.Writes, Before: actions.JSON(feedState{was}), After: actions.JSON(feedState{on}), Request: actions.JSON(feedState{on}),
		Target: actions.Target{
			Kind: "subscription", ID: string(activity.DLP), Name: "events of data loss prevention in the audit log",
			Entities: []actions.Entity{{Kind: "subscription", ID: string(activity.DLP)}},
		},
	}
	if !on {
		effect.Lost = []actions.Lost{{Target: string(activity.DLP), Field: "events", Why: "what happens until it is begun again is not gathered"}}
	}
	return effect
}

func (s Shelf) switchFeed(ctx context.Context, call actions.Call, e actions.Effect) (actions.Outcome, error) {
	want, err := wished(e.Request)
	if err == nil {
		err = s.hasFeed()
	}
	if err != nil {
		return actions.Outcome{}, err
	}
	change := connectors.Change(call.Sending)
	if want {
		_, err = s.Activity.Start(ctx, change, activity.DLP)
	} else if err = s.Activity.Stop(ctx, change, activity.DLP); activity.NoSubscription(err) {
		return actions.Outcome{AlreadySo: true}, nil
	}
	return actions.Outcome{}, err
}

// wished reads a request, which must say what is wished.
func wished(raw json.RawMessage) (bool, error) {
	kept, err := actions.Kept[struct {
		Subscribed *bool `json:"subscribed"`
	}](raw, "request")
	if err != nil {
		return false, err
	}
	if kept.Subscribed == nil {
		return false, invalid("", "the request of the effect does not say whether to begin or to end")
	}
	return *kept.Subscribed, nil
}

func (s Shelf) undoFeed(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Inverse, error) {
	did, err := wished(e.Request)
	if err != nil {
		return actions.Inverse{}, err
	}
	is, err := s.subscribed(ctx)
	if err != nil {
		return actions.Inverse{}, err
	}
	present := actions.JSON(feedState{is})
	if is != did {
		return actions.Inverse{Present: present, Why: "the subscription is as it was before"}, nil
	}
	back := feedEffect(is, !did)
	return actions.Inverse{Effect: &back, Present: present}, nil
}
