package triggers

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"stanch/connectors"
	"stanch/engine"
	"stanch/playbooks"
)

// hookLane is the lane of runs that requests start: that of what has no
// severity.
const hookLane = 3

// start begins the run that a request asks for. A delivery that came before
// answers the run that it began then.
func (h *Hooks) start(ctx context.Context, hook *Hook, delivery string, body json.RawMessage) (taken, *problem) {
	id := delivery
	if id == "" { // it cannot be told from another
		id = rand.Text()
	}
	run, p := h.begin(ctx, hook, id, body)
	return taken{Delivery: delivery, Run: run}, p
}

// begin offers a body to the hook's playbook, and begins its run unless that was
// begun for the same id.
func (h *Hooks) begin(ctx context.Context, hook *Hook, id string, body json.RawMessage) (string, *problem) {
	book, now := hook.Book, time.Now().UTC()
	if _, err := book.On.Webhook.Body.Decode(body); err != nil {
		return "", refused(http.StatusUnprocessableEntity, "the body is not as the playbook declares it: "+connectors.Plain(err.Error()), "its body is not as declared")
	}
	offered := playbooks.NewOffer(playbooks.Event{ID: hook.Path + "/" + id, Trigger: "webhook", Kind: "call", At: now, Body: body})
	verdict, err := offered.Matches(book, h.o.Engine.World().OwnDomains, now)
	if err != nil { // fail closed: a condition that cannot be decided starts nothing, and says so
		p := refused(http.StatusUnprocessableEntity, "the playbook's condition gave no answer for this body", "the condition failed")
		p.err = err
		return "", p
	}
	if !verdict.Matched {
		h.o.Log.Info("a request starts nothing", "hook", hook.Path, "playbook", book.ID, "because", verdict.Because)
		return "", nil
	}
	params, err := book.BindParams(nil)
	if err != nil {
		return "", later(60, "the playbook cannot be started now", err)
	}
	begun, err := h.o.Engine.Start(ctx, engine.Start{
		Book: book, Event: offered.Event(), Params: params, Mode: engine.ModeLive, By: "trigger:webhook", Lane: hookLane,
	})
	switch {
	case errors.Is(err, engine.ErrRefused):
		p := refused(http.StatusUnprocessableEntity, "the playbook cannot be started with this body", "the run is refused")
		p.err = err
		return "", p
	case err != nil:
		return "", later(10, "the store does not take it now", err)
	case begun.Busy && book.Concurrency.WhenBusy != "skip":
		return "", later(60, "too many runs of the playbook wait already", nil)
	case begun.Busy:
		h.o.Log.Info("no run begun: busy", "hook", hook.Path, "playbook", book.ID, "when_busy", book.Concurrency.WhenBusy)
	case begun.New:
		h.o.Log.Info("run begun", "run", begun.Run, "playbook", book.ID, "hook", hook.Path, "because", verdict.Because)
	}
	return begun.Run, nil
}
