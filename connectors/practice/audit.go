package practice

import "time"

// Change is one entry of GET /practice/audit: a request that changed the
// company, or took the content of a file or mail out of it, as Microsoft's audit
// log has both (FileDownloaded, MailItemsAccessed). It is written when the change is applied, also if the answer then
// never arrives.
type Change struct {
	// Seq counts from 1 without gaps.
	Seq int       `json:"seq"`
	At  time.Time `json:"at"`
	// RequestID is the client-request-id the client sent, else the id the
	// server gave the request.
	RequestID string `json:"request_id"`
	Method    string `json:"method"`
	Path      string `json:"path"`
	// Operation is what happened, such as permission.delete.
	Operation string `json:"operation"`
	// Target is the path of the object that changed, always in the same form.
	Target string `json:"target"`
	// By is the name of the application.
	By     string `json:"by"`
	Before any    `json:"before"`
	After  any    `json:"after"`
	// Status is the HTTP status the change was answered with.
	Status int `json:"status"`
}

// record appends a change to the audit, with what is known of every call
// filled in.
func (c *call) record(x Change) {
	x.Seq, x.At, x.By = len(c.t.changes)+1, c.now.UTC(), c.app.Name
	x.RequestID, x.Method, x.Path = c.clientID, c.r.Method, c.r.URL.Path
	c.t.changes = append(c.t.changes, x)
	c.tell(c.happened(x)...)
}

// Changes answers the audit so far.
func (t *Tenant) Changes() []Change {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Change{}, t.changes...)
}
