package practice

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"
)

// listLabels answers the tenant's sensitivity labels, lowest priority first.
func listLabels(c *call) (reply, error) {
	if who := c.args["user"]; who != "" && c.w.user(who) == nil {
		return reply{}, resourceNotFound(who)
	}
	numbers := make([]int, len(c.w.labels))
	for n := range numbers {
		numbers[n] = n
	}
	return page(c, numbers, paging{size: 100, max: 100}, func(n int) object {
		return c.selector(func() object { return c.labelWire(n) })
	})
}

func getLabel(c *call) (reply, error) {
	for n, l := range c.w.labels {
		if strings.EqualFold(l.ID, c.args["id"]) {
			return c.entity(c.labelWire(n))
		}
	}
	return reply{}, resourceNotFound(c.args["id"])
}

func (c *call) labelWire(n int) object {
	l := c.w.labels[n]
	return object{
		"id": l.ID, "name": l.Name, "displayName": l.Name, "description": l.Description, "toolTip": l.Description,
		"priority": n, "hasProtection": l.Protected, "isDefault": n == 0, "isScopedToUser": true,
		"isEndpointProtectionEnabled": l.Protected, "actionSource": "manual",
	}
}

// extractLabels reads the label from the file itself; Graph wraps the result
// in value [graph-docs driveitem-extractsensitivitylabels.md].
func extractLabels(c *call) (reply, error) {
	i, err := c.readItem()
	if err != nil {
		return reply{}, err
	}
	if i.folder {
		return reply{}, fail(http.StatusBadRequest, "invalidRequest", "The item is a folder; labels are in files.")
	}
	labels := []object{}
	if i.label != "" {
		labels = append(labels, object{
			"sensitivityLabelId": i.label, "assignmentMethod": i.labelMethod, "tenantId": c.w.company.TenantID,
		})
	}
	return ok(object{"@odata.context": c.context(), "value": object{
		"@odata.type": "#microsoft.graph.extractSensitivityLabelsResult", "labels": labels,
	}}), nil
}

type labelBody struct {
	Label         *string `json:"sensitivityLabelId"`
	Method        string  `json:"assignmentMethod"`
	Justification string  `json:"justificationText"`
}

// assignLabel accepts the work: 202 and a monitor under our own address that
// needs no bearer token. An empty label removes it. A type of file that cannot
// be labelled fails only in the monitor [graph-docs
// driveitem-assignsensitivitylabel.md].
func assignLabel(c *call) (reply, error) {
	i, err := c.writable()
	if err != nil {
		return reply{}, err
	}
	var in labelBody
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	id, err := c.checkLabel(i, in)
	if err != nil {
		return reply{}, err
	}
	method := in.Method
	if method == "" {
		method = "standard"
	}
	j := &job{item: i, due: c.now.Add(c.t.o.LabelTime)}
	c.t.serial++
	j.id = guid("job", i.unique, itoa(c.t.serial))
	j.token = base64.RawURLEncoding.EncodeToString([]byte(guid("monitor", j.id)))
	if labelled := map[string]bool{".xlsx": true, ".docx": true, ".pptx": true, ".pdf": true}; i.folder || !labelled[extension(i.name)] {
		j.failure = "The file type is not supported for sensitivity labels."
	} else {
		before, lag := c.labelName(i.label), c.lag
		j.apply = func(at time.Time) {
			c.t.stale[i.target()] = &version{before: i.clone(), left: lag}
			i.label, i.labelMethod, i.modified, i.modifiedBy = id, method, at, c.app.ID
			if id == "" {
				i.labelMethod = ""
			}
			i.revision++
		}
		c.record(Change{Operation: "label.assign", Target: i.target(), Before: before, After: c.labelName(id), Status: http.StatusAccepted})
	}
	c.w.jobs[j.id], c.w.pending = j, append(c.w.pending, j)
	return reply{status: http.StatusAccepted}.with("Location", c.origin()+"/_api/v2.0/monitor/"+j.id+"?tempAuth="+j.token), nil
}

// checkLabel answers the label id asked for, "" to remove.
func (c *call) checkLabel(i *item, in labelBody) (string, error) {
	if in.Label == nil {
		return "", fail(http.StatusBadRequest, "invalidRequest", "sensitivityLabelId is required.")
	}
	switch in.Method {
	case "", "standard", "privileged", "auto":
	default:
		return "", fail(http.StatusBadRequest, "invalidRequest", "The assignmentMethod '%s' is not supported; expected standard, privileged or auto.", in.Method)
	}
	rank := -1
	if *in.Label != "" {
		for n, l := range c.w.labels {
			if strings.EqualFold(l.ID, *in.Label) {
				rank = n
			}
		}
		if rank < 0 {
			return "", fail(http.StatusBadRequest, "invalidRequest", "The sensitivity label '%s' does not exist.", *in.Label)
		}
	}
	for n, l := range c.w.labels {
		if l.ID == i.label && rank < n && in.Justification == "" {
			return "", fail(http.StatusBadRequest, "invalidRequest", "justificationText is required to lower or remove a sensitivity label.")
		}
	}
	if r := i.retention; r != nil && r.locked { // its content stays as it is
		return "", r.forbids()
	}
	return strings.ToLower(*in.Label), nil
}

func (c *call) labelName(id string) string {
	if l := c.w.label(id); l != nil && id != "" {
		return l.Name
	}
	return ""
}

// settle finishes the accepted work that is due, in the order it was accepted.
func (w *world) settle(now time.Time) {
	w.pending = slices.DeleteFunc(w.pending, func(j *job) bool {
		if now.Before(j.due) {
			return false
		}
		j.done = true
		if j.apply != nil && !j.item.deleted {
			j.apply(j.due)
		}
		return true
	})
	w.running = slices.DeleteFunc(w.running, func(a *machineAction) bool { return a.settle(now) })
}

// monitor answers the state of accepted work. The docs' sample answers 202
// also when the work is completed [graph-docs long-running-actions-overview.md].
func (c *call) monitor() (reply, error) {
	j := c.w.jobs[c.r.URL.Path[strings.LastIndexByte(c.r.URL.Path, '/')+1:]]
	c.api = files
	if j == nil || c.r.URL.Query().Get("tempAuth") != j.token {
		return reply{}, fail(http.StatusNotFound, "itemNotFound", "The operation could not be found.")
	}
	body := object{"operation": "AssignSensitivityLabel", "percentageComplete": 0.0, "status": "inProgress"}
	if j.done {
		body["percentageComplete"], body["status"], body["resourceId"] = 100.0, "completed", j.item.id
		if j.failure != "" {
			body["status"] = "failed"
			body["error"] = object{"code": "notSupported", "message": j.failure}
		}
	}
	return reply{status: http.StatusAccepted, body: body}, nil
}
