package practice

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

type machineAction struct {
	id, kind, scope, by, comment string
	machine                      *machine
	created, cancelled           time.Time
	cancelledBy, cancelComment   string
	life                         time.Duration
	// ended is Succeeded, Failed or TimeOut where the device said so itself.
	ended   string
	endedAt time.Time
}

func (a *machineAction) target() string { return "/machineactions/" + a.id }

// patience is how many lives of an action Defender waits for a device that is
// off. The pages name no time.
const patience = 20

// status follows from the time: a third of its life an action is Pending, then
// InProgress, then Succeeded. A device that is off leaves it Pending, until
// Defender gives up.
func (a *machineAction) status(now time.Time) string {
	age := now.Sub(a.created)
	off := a.machine.Health == "Inactive"
	switch {
	case !a.cancelled.IsZero():
		return "Cancelled"
	case a.ended != "":
		return a.ended
	case off && age >= patience*a.life:
		return "TimeOut"
	case off:
		return "Pending"
	case age >= a.life:
		return "Succeeded"
	case age >= a.life/3:
		return "InProgress"
	}
	return "Pending"
}

func (a *machineAction) wire(now time.Time) object {
	updated := a.created
	switch s := a.status(now); {
	case s == "Cancelled":
		updated = a.cancelled
	case a.ended != "":
		updated = a.endedAt
	case s == "Succeeded":
		updated = a.created.Add(a.life)
	case s == "TimeOut":
		updated = a.created.Add(patience * a.life)
	case s == "InProgress":
		updated = a.created.Add(a.life / 3)
	}
	o := object{
		"id": a.id, "type": a.kind, "scope": text(a.scope), "requestor": a.by, "requestorComment": a.comment, "title": nil,
		"status": a.status(now), "machineId": a.machine.ID, "computerDnsName": a.machine.Name, "requestSource": "PublicApi",
		"creationDateTimeUtc": stamp(a.created), "lastUpdateDateTimeUtc": stamp(updated), "relatedFileInfo": nil,
		"externalID": nil, "commands": []any{}, "cancellationRequestor": text(a.cancelledBy),
		"cancellationComment": text(a.cancelComment), "cancellationDateTimeUtc": nil,
	}
	if !a.cancelled.IsZero() {
		o["cancellationDateTimeUtc"] = stamp(a.cancelled)
	}
	return o
}

// settle applies what the action does once it has succeeded; true means that
// it has come to its end.
func (a *machineAction) settle(now time.Time) bool {
	switch a.status(now) {
	case "Pending", "InProgress":
		return false
	case "Cancelled", "Failed", "TimeOut":
		return true
	}
	switch a.kind {
	case "Isolate":
		a.machine.isolated = a.scope
	case "Unisolate":
		a.machine.isolated = ""
	case "RestrictCodeExecution":
		a.machine.restricted = true
	case "UnrestrictCodeExecution":
		a.machine.restricted = false
	case "RunAntiVirusScan":
		a.machine.scans = append(slices.Clone(a.machine.scans), a.scope)
	case "CollectInvestigationPackage":
		a.machine.packages++
	}
	return true
}

// family names the actions that exclude each other on one machine.
func family(kind string) string {
	return strings.TrimPrefix(strings.ToLower(kind), "un")
}

// startAction answers a handler that starts a machine action: 201 with the
// action, or 400 while one of its family is on its way.
func startAction(kind string) func(*call) (reply, error) {
	extra := map[string]string{"Isolate": "IsolationType", "RunAntiVirusScan": "ScanType"}[kind]
	scopes := map[string][]string{"Isolate": {"Full", "Selective"}, "RunAntiVirusScan": {"Quick", "Full"}}[kind]
	return func(c *call) (reply, error) {
		m, err := c.machine()
		if err != nil {
			return reply{}, err
		}
		in, err := c.exact("Comment", extra)
		if err != nil {
			return reply{}, err
		}
		if strings.TrimSpace(in["Comment"]) == "" {
			return reply{}, missing("Comment")
		}
		scope := in[extra]
		if extra != "" && scope == "" {
			return reply{}, missing(extra)
		}
		if extra != "" && !slices.Contains(scopes, scope) {
			return reply{}, fail(http.StatusBadRequest, "InvalidInput", "%s is '%s'; expected one of %s", extra, scope, strings.Join(scopes, ", "))
		}
		if m.Onboarding != "Onboarded" {
			return reply{}, fail(http.StatusBadRequest, "InvalidInput", "Machine %s is not onboarded", m.ID)
		}
		if family(kind) == "restrictcodeexecution" && !strings.HasPrefix(m.OS, "Windows") {
			return reply{}, fail(http.StatusBadRequest, "OsPlatformNotSupported", "OS platform %s is not supported for this action", m.OS)
		}
		for _, a := range c.w.running {
			if a.machine == m && family(a.kind) == family(kind) && a.cancelled.IsZero() {
				return reply{}, fail(http.StatusBadRequest, "ActiveRequestAlreadyInProgress", "Action is already in progress")
			}
		}
		return c.start(m, kind, scope, in["Comment"]), nil
	}
}

func (c *call) start(m *machine, kind, scope, comment string) reply {
	operation := "machine." + strings.ToLower(kind[:1]) + kind[1:]
	c.t.serial++
	a := &machineAction{
		id: guid("machine action", m.ID, itoa(c.t.serial)), kind: kind, scope: scope, by: c.app.Name, comment: comment,
		machine: m, created: c.now, life: c.t.o.MachineActionTime,
	}
	c.w.actions, c.w.running = append(c.w.actions, a), append(c.w.running, a)
	before := object{"isolated": m.isolated, "restricted": m.restricted, "scans": len(m.scans), "packages": m.packages}
	c.record(Change{Operation: operation, Target: m.target(), Before: before, After: object{"action": a.id, "scope": scope, "comment": comment}, Status: http.StatusCreated})
	o := a.wire(c.now)
	o["@odata.context"] = c.origin() + "/api/$metadata#MachineActions/$entity"
	return created(o)
}

func listActions(c *call) (reply, error) {
	keep, err := c.filter(fields{
		"id": bareField(), "machineId": nil, "requestor": nil, "creationDateTimeUtc": timeField(), "type": nil,
		"status": {"Pending", "InProgress", "Succeeded", "Failed", "TimeOut", "Cancelled"},
	})
	if err != nil {
		return reply{}, err
	}
	list := []*machineAction{}
	for _, a := range slices.Backward(c.w.actions) {
		o := a.wire(c.now)
		if keep(func(p string) any { return o[p] }) {
			list = append(list, a)
		}
	}
	return page(c, list, paging{size: 10_000, max: 10_000, total: true}, func(a *machineAction) object { return a.wire(c.now) })
}

func (c *call) action() (*machineAction, error) {
	for _, a := range c.w.actions {
		if strings.EqualFold(a.id, c.args["id"]) {
			return a, nil
		}
	}
	return nil, fail(http.StatusNotFound, "ResourceNotFound", "Machine action %s was not found", c.args["id"])
}

func getAction(c *call) (reply, error) {
	a, err := c.action()
	if err != nil {
		return reply{}, err
	}
	return c.entity(a.wire(c.now))
}

func cancelAction(c *call) (reply, error) {
	a, err := c.action()
	if err != nil {
		return reply{}, err
	}
	in, err := c.exact("Comment")
	if err != nil {
		return reply{}, err
	}
	if a.status(c.now) != "Pending" {
		return reply{}, fail(http.StatusBadRequest, "BadRequest", "The action is %s and can't be cancelled", a.status(c.now))
	}
	a.cancelled, a.cancelledBy, a.cancelComment = c.now, c.app.Name, in["Comment"]
	c.record(Change{Operation: "machineAction.cancel", Target: a.target(), Before: "Pending", After: "Cancelled", Status: http.StatusOK})
	return c.entity(a.wire(c.now))
}

// endAction ends a machine action as the device itself does.
func (w *world) endAction(id, status string, now time.Time) error {
	if !slices.Contains([]string{"Succeeded", "Failed", "TimeOut"}, status) {
		return fmt.Errorf("status is %q; expected Succeeded, Failed or TimeOut", status)
	}
	for _, a := range w.actions {
		if !strings.EqualFold(a.id, id) {
			continue
		}
		if s := a.status(now); s != "Pending" && s != "InProgress" {
			return fmt.Errorf("machine action %s is %s already", id, s)
		}
		a.ended, a.endedAt = status, now
		return nil
	}
	return fmt.Errorf("there is no machine action %q", id)
}
