package practice

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
)

// Tokens of the desk: one that may do everything, one that may read. They
// guard nothing.
const (
	DeskToken     = "practice-desk-token-of-everybody"
	DeskReadToken = "practice-desk-token-that-only-reads"
)

// desk is a small ticket system, as an example of an API that is not
// Microsoft's:
//
//	POST   /desk/tickets       makes one, once by Idempotency-Key; 201
//	GET    /desk/tickets/{id}  200 or 404
//	PUT    /desk/tickets/{id}  makes or replaces it; 201 or 200
//	PATCH  /desk/tickets/{id}  merges (RFC 7396, top level); 200 or 404
//	DELETE /desk/tickets/{id}  204 or 404
//
// It wants a bearer token and answers faults as RFC 9457 says. What was written
// is seen at once.
func (c *call) desk(path []string) reply {
	if len(path) == 0 || len(path) > 2 || path[0] != "tickets" || (len(path) == 2) == (c.r.Method == http.MethodPost) {
		return problem(http.StatusNotFound, "There is no such thing at the desk.")
	}
	token, _ := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	switch {
	case token != DeskToken && token != DeskReadToken:
		return problem(http.StatusUnauthorized, "The desk wants a token.")
	case token == DeskReadToken && c.r.Method != http.MethodGet && c.r.Method != http.MethodHead:
		return problem(http.StatusForbidden, "This token may only read.")
	}
	c.app = App{Name: "desk"}
	if len(path) == 1 {
		return c.makeTicket()
	}
	return c.ticket(path[1])
}

func problem(status int, detail string) reply {
	return reply{status: status, body: object{"title": http.StatusText(status), "status": status, "detail": detail}}.with("Content-Type", "application/problem+json")
}

func (c *call) ticketBody() (object, bool) {
	var in object
	return in, json.Unmarshal(c.body, &in) == nil && in != nil
}

func (c *call) makeTicket() reply {
	key := c.r.Header.Get("Idempotency-Key")
	if id := c.w.made[key]; key != "" && id != "" {
		return created(c.w.tickets[id])
	}
	in, sound := c.ticketBody()
	if !sound {
		return problem(http.StatusBadRequest, "A ticket is a JSON object.")
	}
	c.w.nextID++
	id := "T" + itoa(c.w.nextID)
	if c.w.made == nil {
		c.w.made = map[string]string{}
	}
	c.w.made[key] = id
	return c.keepTicket(id, nil, in, http.StatusCreated)
}

func (c *call) keepTicket(id string, before, now object, status int) reply {
	now["id"] = id
	if c.w.tickets == nil {
		c.w.tickets = map[string]object{}
	}
	c.w.tickets[id] = now
	change := Change{Operation: "ticket.write", Target: "/desk/tickets/" + id, After: maps.Clone(now), Status: status}
	if before != nil {
		change.Before = before
	}
	c.record(change)
	return reply{status: status, body: maps.Clone(now)}
}

func (c *call) ticket(id string) reply {
	known := c.w.tickets[id]
	if known == nil && c.r.Method != http.MethodPut {
		return problem(http.StatusNotFound, "There is no ticket "+id+".")
	}
	switch c.r.Method {
	case http.MethodGet, http.MethodHead:
		return ok(maps.Clone(known))
	case http.MethodDelete:
		delete(c.w.tickets, id)
		c.record(Change{Operation: "ticket.delete", Target: "/desk/tickets/" + id, Before: known, Status: http.StatusNoContent})
		return noContent()
	case http.MethodPut, http.MethodPatch:
	default:
		return problem(http.StatusMethodNotAllowed, "A ticket is not for that.")
	}
	in, sound := c.ticketBody()
	if !sound {
		return problem(http.StatusBadRequest, "A ticket is a JSON object.")
	}
	if c.r.Method == http.MethodPut {
		status := http.StatusOK
		if known == nil {
			status = http.StatusCreated
		}
		return c.keepTicket(id, known, in, status)
	}
	merged := maps.Clone(known)
	for name, v := range in {
		if merged[name] = v; v == nil {
			delete(merged, name)
		}
	}
	return c.keepTicket(id, known, merged, http.StatusOK)
}
