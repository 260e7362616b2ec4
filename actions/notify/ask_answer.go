package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors"
)

// sentFirst is when a mail was sent.
type sentFirst struct {
	At time.Time `json:"at"`
}

// doAsk sends a mail of a question, unless an earlier one was answered.
func (s Shelf) doAsk(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := actions.Kept[askRequest](e.Request, "request")
	if err != nil {
		return actions.Outcome{}, err
	}
	if earlier := r.Hear[:min(max(r.Before, 0), len(r.Hear))]; len(earlier) > 0 {
		found, err := s.heard(ctx, r, earlier)
		if err != nil {
			return actions.Outcome{}, err
		}
		if found.Answer != nil {
			return actions.Outcome{AlreadySo: true, After: actions.JSON(found)}, nil
		}
	}
	if err := s.sendMail(ctx, connectors.Change(c.Sending), r.From, []string{r.To}, r.message()); err != nil {
		return actions.Outcome{}, err
	}
	return actions.Outcome{Pending: true, Again: again(0, time.Duration(r.Wait)), Awaits: r.awaits(0), Handle: actions.JSON(sentFirst{c.Now})}, nil
}

// again is when to look for an answer again, so long after the mail and so long
// before the end.
func again(since, left time.Duration) time.Duration {
	return max(min(since/8, 15*time.Minute, left), min(time.Minute, left), time.Second)
}

// awaits says for whose word the question waits.
func (r askRequest) awaits(unclear int) string {
	var who []string
	for _, h := range r.Hear {
		who = append(who, h.Address)
	}
	out := "an answer of " + strings.Join(who, " or ")
	switch unclear {
	case 0:
		return out
	case 1:
		return out + " (1 reply was none)"
	}
	return out + fmt.Sprintf(" (%d replies were none)", unclear)
}

// checkAsk looks for an answer until the time of this mail is over.
func (s Shelf) checkAsk(ctx context.Context, c actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := actions.Kept[askRequest](e.Request, "request")
	if err != nil {
		return actions.Finding{}, err
	}
	at, there, err := s.sentAt(ctx, r, e)
	if err != nil {
		return actions.Finding{}, err
	}
	if !there {
		return actions.InSentItems(false), nil
	}
	wait := time.Duration(r.Wait)
	left := at.Add(wait).Sub(c.Now)
	pending := actions.Finding{Answer: actions.Pending, Again: again(c.Now.Sub(at), left), Awaits: r.awaits(0)}
	now, err := s.heard(ctx, r, r.Hear)
	if err != nil {
		return deaf(pending, left, err)
	}
	now.Sent, now.To = true, r.To
	switch {
	case now.Answer != nil:
		return actions.Finding{Answer: actions.Happened, After: actions.JSON(now), Why: now.Answer.By + " has answered: " + now.Answer.Answer}, nil
	case left <= 0:
		return actions.Finding{Answer: actions.Happened, After: actions.JSON(now), Why: "no answer within " + spell(wait)}, nil
	}
	pending.Awaits = r.awaits(now.Unclear)
	pending.Why = "waits for " + pending.Awaits
	return pending, nil
}

// deaf goes on waiting where nobody could look, as long as there is time; but of
// a mailbox that answers too much all have to hear.
func deaf(pending actions.Finding, left time.Duration, cause error) (actions.Finding, error) {
	if left <= 0 || coded(cause, connectors.Throttled) {
		return actions.Finding{}, cause
	}
	pending.Why = "could not look for " + pending.Awaits + ": " + cause.Error()
	return pending, nil
}

// sentAt is when the mail of an effect was sent: as was kept, else as Sent Items
// say.
func (s Shelf) sentAt(ctx context.Context, r askRequest, e actions.Effect) (time.Time, bool, error) {
	if e.Handle != nil {
		h, err := actions.Kept[sentFirst](e.Handle, "handle")
		if err != nil || !h.At.IsZero() {
			return h.At, err == nil, err
		}
	}
	return s.Graph.SentMarked(ctx, r.From, e.ID)
}

// coded reports whether an error is of one of the codes.
func coded(err error, codes ...connectors.Code) bool {
	e, is := errors.AsType[*connectors.Error](err)
	return is && slices.Contains(codes, e.Code)
}

const (
	// mostReplies bounds how many replies are read at one look.
	mostReplies = 50
	// clocks is how much later than Exchange's our clock may be.
	clocks = time.Hour
)

// heard reads the first answer of those who were asked. A mail counts that holds
// the question's token in its subject, is from and was sent by one of them, and
// was authenticated by Exchange as one of the organization's own; others are
// counted and nothing else.
func (s Shelf) heard(ctx context.Context, r askRequest, hear []hearer) (asking, error) {
	list, err := s.Graph.MessagesTitled(ctx, r.From, r.Token, r.Since.Add(-clocks))
	if err != nil {
		return asking{}, err
	}
	var out asking
	read := 0
	for _, m := range list {
		if strings.EqualFold(m.From, r.From) {
			continue // a question of ours in Sent Items, or who claims so
		}
		by := slices.IndexFunc(hear, func(h hearer) bool { return h.is(m.From) })
		if by < 0 || !hear[by].is(m.Sender) || read >= mostReplies {
			out.Ignored++
			continue
		}
		read++
		w, err := s.Graph.Written(ctx, r.From, m.ID)
		switch {
		case coded(err, connectors.NotFound, connectors.Limit) || err == nil && !w.Internal: // deleted meanwhile, or too large
			out.Ignored++
		case err != nil:
			return asking{}, err
		default:
			a, ok := understood(w.Text)
			if !ok {
				out.Unclear++
				continue
			}
			a.By, a.At = hear[by].Address, m.ReceivedAt.UTC()
			out.Answer = &a
			return out, nil
		}
	}
	return out, nil
}
