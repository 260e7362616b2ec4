package hunting

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/incident"
	"stanch/connectors/kusto"
)

type ofAlert struct {
	Alert     actions.Ref[incident.Alert] `json:"alert" doc:"the alert, or its id: of Defender (dl…), of the product, or Sentinel's system alert id"`
	Workspace string                      `json:"workspace,omitempty" doc:"id of the Log Analytics workspace to ask instead of advanced hunting, where Sentinel is not part of Defender's portal"`
	MaxRows   int                         `json:"max_rows,omitempty" default:"500" doc:"most activities to answer, up to 10000"`
}

type alertActivities struct {
	Alert      huntedAlert `json:"alert" doc:"the alert as the logs have it"`
	Activities []logged    `json:"activities" doc:"what was done, oldest first"`
	Truncated  bool        `json:"truncated" doc:"whether there are, or may be, more activities than these"`
}

type huntedAlert struct {
	ID       string    `json:"id" doc:"Sentinel's system alert id"`
	Title    string    `json:"title" doc:"its title"`
	Type     string    `json:"type" doc:"its alert type, under which the audit log keeps what belongs to it"`
	StartsAt time.Time `json:"starts_at" doc:"its first activity"`
	EndsAt   time.Time `json:"ends_at" doc:"its last activity"`
}

type logged struct {
	At          time.Time `json:"at" doc:"when it was done"`
	Action      string    `json:"action" doc:"kind of the log's entry, such as AlertEntityGenerated"`
	Operation   string    `json:"operation" doc:"what was done, such as FileDownloaded; empty where the log does not say"`
	User        string    `json:"user" doc:"user principal name of who did it"`
	Name        string    `json:"name" doc:"name of who did it"`
	Object      string    `json:"object" doc:"what it was done to: address of a file, id of a message"`
	Application string    `json:"application" doc:"cloud app in which it was done"`
	IP          string    `json:"ip" doc:"address it was done from"`
	Country     string    `json:"country" doc:"country of that address, by two letters"`
	Policy      string    `json:"policy" doc:"name of the policy that matched"`
	Rule        string    `json:"rule" doc:"name of its rule that matched"`
}

// AlertActivity finds what a user did that made an alert.
func (s Shelf) AlertActivity() actions.Action {
	return actions.Spec[ofAlert, alertActivities]{
		Doc:   "Find the activities that led to an alert of data loss prevention, in the audit logs of the last 30 days. It reads who did what to which file or message, and nothing of what a policy matched there.",
		Class: actions.Reads, Throttle: "graph.hunting", Elsewhere: actions.Elsewhere{Class: "loganalytics", Param: "workspace"},
		Permissions: append(defenderHunts(), readsLogs()...), Timeout: takes,
		Source:  "https://learn.microsoft.com/defender-xdr/dlp-investigate-alerts-defender",
		Example: "alert: \"${{ alert.id }}\"",
		Read:    s.alertActivity,
	}.Action()
}

// activityQuery is the join that the page above gives, but for three things:
// the alert is bound; of an alert that was updated, and so stands several times
// in SecurityAlert, the last is taken; and an activity at the very start or end
// counts, without which an alert of one moment would have none. Named columns
// alone are read of the audit record.
const activityQuery = `let Alert = SecurityAlert
| where TimeGenerated > ago(30d)
| where SystemAlertId in (ids) or VendorOriginalId in (ids)
| summarize arg_max(TimeGenerated, *) by SystemAlertId;
let Activities = CloudAppEvents
| extend correlationId1 = parse_json(tostring(RawEventData.Data)).cid
| extend correlationId = tostring(correlationId1)
| join kind=inner Alert on $left.correlationId == $right.AlertType
| extend At = todatetime(RawEventData.CreationTime)
| where At >= StartTime and At <= EndTime
| extend Data = parse_json(tostring(RawEventData.Data))
| project Row = "activity", At, End = EndTime, Id = SystemAlertId, Title = AlertName, Type = AlertType, Action = ActionType,
    Operation = tostring(Data.eop), User = iff(isempty(tostring(Data.f3u)), AccountId, tostring(Data.f3u)), Name = AccountDisplayName,
    Object = iff(isempty(tostring(Data.von)), ObjectName, tostring(Data.von)), Application, Ip = IPAddress, Country = CountryCode,
    Policy = tostring(Data.dpn), Rule = tostring(Data.drn)
| order by At asc, Object asc
| take most;
union (Alert | project Row = "alert", At = StartTime, End = EndTime, Id = SystemAlertId, Title = AlertName, Type = AlertType), Activities
`

func (s Shelf) alertActivity(ctx context.Context, _ actions.Call, p ofAlert) (alertActivities, error) {
	most, err := rows(p.MaxRows)
	if err != nil {
		return alertActivities{}, err
	}
	ids, err := p.ids()
	if err != nil {
		return alertActivities{}, err
	}
	query, err := kusto.Bind(activityQuery, map[string]any{"ids": ids, "most": most + 1}, nil)
	if err != nil {
		return alertActivities{}, invalid("", "alert: %v", err)
	}
	var t kusto.Table
	if p.Workspace != "" {
		t, err = s.Logs.Query(ctx, p.Workspace, query, "", most+mostRows)
	} else {
		t, err = s.Graph.Hunt(ctx, query, "", most+mostRows)
	}
	if err != nil {
		return alertActivities{}, unconnected(err)
	}
	return activities(t, ids[0], most)
}

// unconnected says what to do where a table of Sentinel is not there.
func unconnected(err error) error {
	e, is := errors.AsType[*connectors.Error](err)
	if is && e.Code == connectors.Invalid && (strings.Contains(e.Message, "'SecurityAlert'") || strings.Contains(e.Message, "'CloudAppEvents'")) {
		e.Hint = "the tables must stand side by side: connect Sentinel to Defender's portal, or bring CloudAppEvents to Sentinel with the connector of Defender XDR and name its workspace"
	}
	return err
}

// ids are the names under which the logs may have the alert.
func (p ofAlert) ids() ([]string, error) {
	given := []string{p.Alert.Text}
	if a := p.Alert.Value; a != nil {
		given = []string{a.ID}
		if a.ProviderID != nil {
			given = append(given, *a.ProviderID)
		}
	}
	var out []string
	for _, id := range given {
		id = strings.TrimSpace(id)
		if id == "" || len(id) > 200 {
			continue
		}
		out = append(out, id, strings.ToLower(id))
		if rest, is := strings.CutPrefix(strings.ToLower(id), "dl"); is {
			out = append(out, rest)
		}
	}
	if len(out) == 0 {
		return nil, invalid("take it from alert.id", "alert is empty or longer than 200 bytes; expected an alert or its id")
	}
	return out, nil
}

// activities reads the rows of the query.
func activities(t kusto.Table, id string, most int) (alertActivities, error) {
	out := alertActivities{Activities: []logged{}, Truncated: t.Truncated}
	known := false
	for _, row := range t.Rows {
		text := func(column string) string { s, _ := row[column].(string); return s }
		at, err := time.Parse(time.RFC3339Nano, text("At"))
		if err != nil {
			return out, &connectors.Error{Op: "hunting", Code: connectors.Failed, Message: "a row of the result has no time"}
		}
		if text("Row") == "alert" {
			end, _ := time.Parse(time.RFC3339Nano, text("End"))
			out.Alert, known = huntedAlert{ID: text("Id"), Title: text("Title"), Type: text("Type"), StartsAt: at, EndsAt: end}, true
			continue
		}
		out.Activities = append(out.Activities, logged{
			At: at, Action: text("Action"), Operation: text("Operation"), User: text("User"), Name: text("Name"), Object: text("Object"),
			Application: text("Application"), IP: text("Ip"), Country: text("Country"), Policy: text("Policy"), Rule: text("Rule"),
		})
	}
	if !known {
		return out, &connectors.Error{
			Op: "hunting", Code: connectors.NotFound, Message: "alert " + connectors.Plain(id) + " is not in the SecurityAlert table of the last 30 days",
			Hint: "it takes some minutes to get there, and Sentinel must be connected to Defender XDR; name its workspace if it is not part of Defender's portal",
		}
	}
	// A union keeps no order.
	slices.SortStableFunc(out.Activities, func(a, b logged) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Object, b.Object))
	})
	if len(out.Activities) > most {
		out.Activities, out.Truncated = out.Activities[:most], true
	}
	return out, nil
}
