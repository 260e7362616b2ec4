package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"stanch/actions"
)

// docUndoing is the kind of document by which one run at a time takes an effect
// back; its key is the effect's id, its body the id of the inverse. Undos of one
// effect need not have a concurrency key in common: one begins when its `for` is
// over, one because a person says so, one in a rollback.
const docUndoing = "undoing"

// undoingAgain is how long one waits for another that takes the same effect back.
const undoingAgain = 15 * time.Second

// undoStall is how long a worker may stand still between its claim of an inverse
// and the request, at most.
const undoStall = 5 * time.Minute

// stillToUndo holds an inverse against the world right before it is sent: since
// it was prepared a freeze, a question or a pause may have gone by, in which
// somebody changed the target or took the effect back. It answers false when
// nothing is to be sent now.
func (h *holding) stillToUndo(work context.Context, t *task, e *effectState) (bool, error) {
	if e.doubt == cannotSay {
		return true, nil // what would be seen may be the inverse itself
	}
	known, err := h.e.isUndone(work, e.Undoes)
	if err == nil && known {
		return false, h.leftAlone(t, e, actions.AlreadySo, undone{Status: "already_undone"})
	}
	free := false
	if err == nil {
		free, err = h.claimUndo(work, t, e)
	}
	switch {
	case err != nil:
		return false, h.failed(work, t, t.effect, &Fault{Code: "unavailable", Message: message(err)})
	case !free:
		fault := &Fault{Step: t.path, Code: "locked", Message: "another run is taking this back"}
		return false, h.record(fact{Kind: kRetry, Path: t.path, Attempt: h.st.at(t.path).attempt, Effect: t.effect, Fault: fault, Until: h.storeNow().Add(undoingAgain)})
	}
	inv, err := h.inverseOf(work, t)
	switch {
	case err != nil:
		return false, h.failed(work, t, t.effect, err)
	case inv.Effect != nil:
		return true, nil
	case e.doubt == noDoubt:
		return false, h.leftAlone(t, e, actions.NotDone, undone{Status: undoStatus(inv), Why: inv.Why, State: inv.Present})
	}
	// It was sent before, and not seen to have happened: it may show only now.
	return false, h.unknown(t, e.Effect, "it was sent before, and now: "+inv.Why)
}

// inverseOf asks once more for the inverse that a step of an undo is to send.
func (h *holding) inverseOf(ctx context.Context, t *task) (actions.Inverse, error) {
	i, err := strconv.Atoi(t.step.Name)
	u := h.st.outline.undo
	if err != nil || u == nil || i < 0 || i >= len(u.Effects) {
		return actions.Inverse{}, &Fault{Code: "invalid", Message: "it is not known what " + t.path + " undoes"}
	}
	return safely(h, t.step.Uses, func() (actions.Inverse, error) { return h.e.inverse(ctx, h.call(t), u.Effects[i]) })
}

// leftAlone ends a step of an undo that does not send its inverse.
func (h *holding) leftAlone(t *task, e *effectState, status actions.Status, is undone) error {
	out, err := json.Marshal(is)
	if err != nil {
		return fmt.Errorf("%s: %w", t.path, err)
	}
	why := strings.TrimSuffix(strings.ReplaceAll(is.Status, "_", " ")+": "+is.Why, ": ")
	h.note(t.path, e.Effect, "effect.result", string(status), why)
	if status == actions.NotDone {
		h.letUndo(e.Effect)
	}
	return h.record(
		fact{Kind: kResult, Path: t.path, Effect: t.effect, Status: status, Why: why},
		fact{Kind: kDone, Path: t.path, Attempt: h.st.at(t.path).attempt + 1, Out: out},
	)
}

// claimUndo makes this inverse the only one that takes its effect back, for
// longer than its request can last. It answers false while another is.
func (h *holding) claimUndo(ctx context.Context, t *task, e *effectState) (bool, error) {
	d := Document{Kind: docUndoing, Key: e.Undoes, Body: []byte(e.ID), Expires: 2*t.timeout + t.step.Action.Settling + undoStall}
	known, err := h.e.docs.Get(ctx, docUndoing, e.Undoes)
	switch {
	case err == nil && string(known.Body) != e.ID:
		return false, nil
	case err == nil:
		d.Version = known.Version
	case !errors.Is(err, ErrNotFound):
		return false, err
	}
	if _, err = h.e.docs.Put(ctx, d); errors.Is(err, ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

// letUndo lets others take an effect back that this inverse did not.
func (h *holding) letUndo(e actions.Effect) {
	if e.Undoes != "" {
		h.put = append(h.put, Document{Kind: docUndoing, Key: e.Undoes, Body: []byte(e.ID), Version: AnyVersion, Expires: 1})
	}
}
