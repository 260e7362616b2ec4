package graph

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"stanch/connectors"
)

// labelsKept is how long the list of labels is taken from memory.
const labelsKept = 10 * time.Minute

// Label is a sensitivity label. A higher Priority is more sensitive.
type Label struct {
	ID        string
	Name      string
	Priority  int
	Protected bool // encrypts
}

// UnmarshalJSON reads a sensitivityLabel
// (learn.microsoft.com/graph/api/resources/security-sensitivitylabel).
func (l *Label) UnmarshalJSON(b []byte) error {
	var w struct {
		ID            string `json:"id"`
		Name          string `json:"name"`
		DisplayName   string `json:"displayName"`
		Priority      int    `json:"priority"`
		Sensitivity   int    `json:"sensitivity"` // earlier name of priority
		HasProtection bool   `json:"hasProtection"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*l = Label{ID: w.ID, Name: first(w.DisplayName, w.Name), Priority: cmp.Or(w.Priority, w.Sensitivity), Protected: w.HasProtection}
	return nil
}

// Labels lists the tenant's sensitivity labels, least sensitive first. The
// list is at most ten minutes old.
//
// Source: learn.microsoft.com/graph/api/security-datasecurityandgovernance-list-sensitivitylabels.
func (c *Client) Labels(ctx context.Context) ([]Label, error) {
	c.labels.Lock()
	defer c.labels.Unlock()
	if c.known != nil && time.Since(c.asked) < labelsKept {
		return slices.Clone(c.known), nil
	}
	labels, err := list[Label](ctx, c, connectors.Request{
		Op: "list sensitivity labels", Path: connectors.To("security", "dataSecurityAndGovernance", "sensitivityLabels"), Permission: labelsRead,
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(labels, func(a, b Label) int { return cmp.Compare(a.Priority, b.Priority) })
	c.known, c.asked = labels, time.Now()
	return slices.Clone(labels), nil
}

// Label finds a label by its name, in any case, or by its id.
func (c *Client) Label(ctx context.Context, name string) (Label, error) {
	labels, err := c.Labels(ctx)
	if err != nil {
		return Label{}, err
	}
	var found []Label
	names := make([]string, len(labels))
	for i, l := range labels {
		names[i] = l.Name
		if strings.EqualFold(l.ID, name) {
			return l, nil
		}
		if strings.EqualFold(l.Name, name) {
			found = append(found, l)
		}
	}
	op := "graph: find sensitivity label " + connectors.Plain(name)
	switch len(found) {
	case 0:
		return Label{}, &connectors.Error{
			Op: op, Code: connectors.NotFound, Message: "there is no such label",
			Hint: "the tenant has " + connectors.Plain(strings.Join(names, ", ")),
		}
	case 1:
		return found[0], nil
	}
	return Label{}, &connectors.Error{
		Op: op, Code: connectors.Conflict, Message: fmt.Sprintf("%d labels have this name", len(found)), Hint: "use the label's id",
	}
}

// AssignedLabel is a label on a file.
type AssignedLabel struct {
	ID       string `json:"sensitivityLabelId"`
	Method   string `json:"assignmentMethod"` // standard, privileged, auto
	TenantID string `json:"tenantId"`
}

// ExtractLabel reads the sensitivity labels of a file from its content; none
// is an empty list. There is at most one of each tenant.
//
// Source: learn.microsoft.com/graph/api/driveitem-extractsensitivitylabels.
func (c *Client) ExtractLabel(ctx context.Context, drive, item string) ([]AssignedLabel, error) {
	type labels struct {
		Labels []AssignedLabel `json:"labels"`
	}
	var out struct {
		labels
		Value *labels `json:"value"` // the page's sample wraps it
	}
	_, err := c.api.Read(ctx, connectors.Request{
		Op: "extract sensitivity label of item " + connectors.Plain(item), Method: http.MethodPost, Reads: true,
		Path: itemPath(drive, item, "extractSensitivityLabels"), Permission: filesRead,
	}, &out)
	if err != nil {
		return nil, encrypted(err)
	}
	if out.Value != nil {
		out.labels = *out.Value
	}
	return append([]AssignedLabel{}, out.Labels...), nil
}

// LabelAssignment is a label to put on a file.
type LabelAssignment struct {
	LabelID       string // empty: take the label off
	Method        string // standard (default), privileged, auto
	Justification string // needed to lower or remove a label
}

// AssignLabel asks for a label to be put on a file. It is accepted only: the
// work goes on there and may fail, as PollLabel tells, and in the end
// ExtractLabel.
//
// Source: learn.microsoft.com/graph/api/driveitem-assignsensitivitylabel.
func (c *Client) AssignLabel(ctx context.Context, ch connectors.Change, drive, item string, a LabelAssignment) (connectors.Location, error) {
	body := map[string]string{"sensitivityLabelId": a.LabelID, "assignmentMethod": cmp.Or(a.Method, "standard")}
	if a.Justification != "" {
		body["justificationText"] = a.Justification
	}
	reply, err := c.api.Send(ctx, ch, connectors.Request{
		Op: "assign sensitivity label to item " + connectors.Plain(item), Method: http.MethodPost,
		Path: itemPath(drive, item, "assignSensitivityLabel"), Permission: filesWrite, Body: body,
	}, nil)
	return reply.Location, encrypted(err)
}

// Work is the state of work that SharePoint accepted.
type Work struct {
	Status  string // inProgress, completed, failed, …
	Percent float64
	Code    string // of a failure
	Message string
}

// Ended reports whether nothing more will happen.
func (w Work) Ended() bool { return w.Failed() || strings.EqualFold(w.Status, "completed") }

// Failed reports whether it ended without being done.
func (w Work) Failed() bool {
	return strings.EqualFold(w.Status, "failed") || strings.EqualFold(w.Status, "deleteFailed") || strings.EqualFold(w.Status, "cancelled")
}

// PollLabel asks how an assignment goes on. It sends no bearer token and asks
// only in the SharePoint of the cloud.
//
// Source: learn.microsoft.com/graph/long-running-actions-overview.
func (c *Client) PollLabel(ctx context.Context, at connectors.Location) (Work, error) {
	var w struct {
		Status  string  `json:"status"`
		Percent float64 `json:"percentageComplete"`
		Error   *struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	_, err := c.api.Ask(ctx, "poll the assignment of a sensitivity label", at, &w)
	if err != nil {
		return Work{}, err
	}
	out := Work{Status: w.Status, Percent: w.Percent}
	if w.Error != nil {
		out.Code, out.Message = connectors.Plain(w.Error.Code), connectors.Plain(w.Error.Message)
	}
	return out, nil
}

// encrypted tells a file that stays locked from one that is locked for a
// while: of the codes of 423 only fileDecryptionDeferred ends by itself. It
// also says what a call that is not paid for needs.
func encrypted(err error) error {
	e, is := errors.AsType[*connectors.Error](err)
	if is && e.Status == http.StatusPaymentRequired {
		e.Hint = "sensitivity labels are a metered API: bind the app to an Azure subscription (learn.microsoft.com/graph/metered-api-setup)"
	}
	if !is || e.Code != connectors.Locked {
		return err
	}
	for _, code := range []string{e.ServiceCode, e.InnerCode} {
		if code == "fileDoubleKeyEncrypted" || code == "fileDecryptionNotSupported" {
			e.Code, e.Wait = connectors.Failed, 0
			e.Hint = "the file's encryption keeps labels from being read or set by an app; a person must do it"
		}
	}
	return err
}
