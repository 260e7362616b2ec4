package notify

import (
	"cmp"
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
)

type askParams struct {
	Channel  string                     `json:"channel" doc:"channel of kind email of the operator's file: its mailbox sends the question and gets the answer"`
	Owner    actions.Ref[incident.User] `json:"owner" entity:"user" doc:"user of the evidence, user principal name, object id, or entra:<object id>"`
	File     string                     `json:"file" doc:"name or URL of the file, shown as it is"`
	Question string                     `json:"question,omitempty" doc:"what is asked, as plain text; default why the file is shared and what is to become of that; at most 3,000 characters are sent"`
	Remind   *actions.Duration          `json:"remind,omitempty" default:"1d" doc:"when the owner is asked again; 0s: never"`
	Escalate *actions.Duration          `json:"escalate,omitempty" default:"2d" doc:"when the owner's manager is asked too; 0s: never"`
	Timeout  *actions.Duration          `json:"timeout,omitempty" default:"3d" doc:"when nobody waits for an answer any longer; at most 30d"`
}

type asked struct {
	Answer        string     `json:"answer" enum:"keep,remove_external,remove_all,none" doc:"what is to become of the sharing; none: nobody has said so in time"`
	Justification string     `json:"justification" doc:"why, in the words of who answered; empty when they gave no reason"`
	By            string     `json:"by,omitempty" doc:"address of who answered; absent when nobody did"`
	At            *time.Time `json:"at,omitempty" doc:"when the answer was received; absent when there is none"`
	Asked         []string   `json:"asked" doc:"addresses of those who were asked"`
	Unclear       int        `json:"unclear" doc:"replies of theirs that gave none of the answers"`
	Ignored       int        `json:"ignored" doc:"mails about the question that did not count: of others, or not known to be of who they say"`
}

// Bounds of the waiting.
const (
	shortest = time.Minute
	longest  = 30 * 24 * time.Hour
)

// AskOwner asks the owner of a file what is to become of its sharing.
func (s Shelf) AskOwner() actions.Action {
	return actions.Spec[askParams, asked]{
		Doc:   "Ask the owner of a file by mail why it is shared and what is to become of that, and wait for the reply: keep, remove external or remove all. Later the owner is reminded, then the manager is asked too. In a plan the answer is none.",
		Class: actions.Writes, Throttle: mailThrottle, Planning: "graph.identity", Cost: actions.Cost{Look: 2, Send: 2}, Permissions: mailPermissions("User.Read.All"),
		Repeat:   actions.RepeatHarmless, // as of a mail
		Settling: mailSettles, Within: longest + 24*time.Hour,
		NoUndo:  "a question that was asked has been read, perhaps: it is not taken back",
		Source:  "https://learn.microsoft.com/graph/api/user-sendmail",
		Example: "channel: owners\nowner: \"${{ user }}\"\nfile: \"${{ file.name ?? file.id }}\"\nescalate: 12h\ntimeout: 1d",
		Plan:    s.planAsk, State: s.shownOwner, Do: s.doAsk, Check: s.checkAsk, Settle: settleAsk,
	}.Action()
}

// times are when what happens, counted from the first mail; zero: never.
type times struct{ remind, escalate, end time.Duration }

func (p askParams) times() (times, error) {
	var failed error
	read := func(name string, given *actions.Duration, otherwise time.Duration) time.Duration {
		if given == nil {
			return otherwise
		}
		d := time.Duration(*given)
		if (d != 0 || name == "timeout") && (d < shortest || d > longest) {
			failed = problem("expected 1m to 30d", "%s is %s", name, d)
		}
		return d
	}
	const day = 24 * time.Hour
	t := times{read("remind", p.Remind, day), read("escalate", p.Escalate, 2*day), read("timeout", p.Timeout, 3*day)}
	for name, given := range map[string]*actions.Duration{"remind": p.Remind, "escalate": p.Escalate} {
		if failed == nil && given != nil && time.Duration(*given) >= t.end {
			failed = problem("give less, or 0s for never", "%s is %s, when nobody waits any longer: timeout is %s", name, time.Duration(*given), t.end)
		}
	}
	return t, failed
}

func (s Shelf) planAsk(ctx context.Context, c actions.Call, p askParams) ([]actions.Effect, asked, error) {
	from, _, err := s.Web.Mailbox(p.Channel)
	if err != nil {
		return nil, asked{}, err
	}
	t, err := p.times()
	if err != nil {
		return nil, asked{}, err
	}
	if strings.TrimSpace(p.File) == "" {
		return nil, asked{}, problem("give its name or URL", "file is empty")
	}
	who, err := s.people(ctx, p.Owner, t.escalate > 0)
	if err != nil {
		return nil, asked{}, err
	}
	q := question{channel: p.Channel, from: from, token: rand.Text()[:tokenLength], since: c.Now.UTC(), about: p, people: who}
	var effects []actions.Effect
	out := asked{Answer: none, Asked: []string{}}
	for i, m := range q.mails(t) {
		effects = append(effects, q.effect(m, i+1))
		if !slices.Contains(out.Asked, m.request.To) {
			out.Asked = append(out.Asked, m.request.To)
		}
	}
	return effects, out, nil
}

// tokenLength is how many letters and digits, of 32, tell one question from all
// others.
const tokenLength = 12

// people are who can be asked.
type people struct {
	owner   graph.User
	manager *graph.User // nil: there is none who could be asked, or nobody wants to
}

// people looks up the owner and, if so wanted or needed, the manager.
func (s Shelf) people(ctx context.Context, ref actions.Ref[incident.User], escalates bool) (people, error) {
	owner, err := s.Graph.UserNamed(ctx, names(ref)...)
	switch {
	case err != nil:
		return people{}, err
	case strings.EqualFold(owner.Type, "Guest"):
		return people{}, problem("ask somebody of the organization", "owner: %s is a guest, whose replies cannot be told from forged ones", connectors.Plain(owner.UPN))
	}
	out := people{owner: owner}
	if escalates {
		m, err := s.Graph.Manager(ctx, owner.ID)
		if err != nil && !coded(err, connectors.NotFound) {
			return people{}, err
		}
		if err == nil && m.ID != owner.ID && answers(m) {
			out.manager = &m
		}
	}
	if !answers(owner) && out.manager == nil {
		return people{}, problem("ask somebody else", "owner: %s has no mailbox or may not sign in, and there is no manager to ask", connectors.Plain(owner.UPN))
	}
	return out, nil
}

// entity is the owner with every name that a guardrail may use: a cap counts who
// is asked, and who is protected is left in peace.
func (p people) entity() actions.Entity {
	u := p.owner
	e := actions.Entity{Kind: "user", ID: u.ID, Name: u.Name}
	for _, n := range []string{u.UPN, u.Mail, "entra:" + u.ID} {
		if n != "" && !slices.Contains(e.Aliases, n) {
			e.Aliases = append(e.Aliases, n)
		}
	}
	return e
}

// answers reports whether a person can reply to a mail.
func answers(u graph.User) bool {
	return u.Enabled && connectors.IsAddress(u.Mail) && !strings.EqualFold(u.Type, "Guest")
}

func names(ref actions.Ref[incident.User]) []string {
	if v := ref.Value; v != nil {
		return v.Names()
	}
	return []string{ref.Text}
}

// shownOwner is what approvers see of who is to be asked.
func (s Shelf) shownOwner(ctx context.Context, _ actions.Call, p askParams) (any, error) {
	u, err := s.Graph.UserNamed(ctx, names(p.Owner)...)
	return struct {
		Owner   string `json:"owner"`
		Mail    string `json:"mail"`
		Enabled bool   `json:"enabled"`
	}{cmp.Or(u.UPN, u.ID), u.Mail, u.Enabled}, err
}

// settleAsk tells what has come of the mails. Where that was not kept, as in a
// rehearsal, it is what was predicted.
func settleAsk(predicted asked, effects []actions.Effect) asked {
	out := asked{Answer: none, Asked: []string{}}
	for _, e := range effects {
		now, err := actions.Kept[asking](e.After, "state")
		if err != nil {
			return predicted
		}
		if e.Status != actions.Done && e.Status != actions.AlreadySo {
			continue
		}
		if now.Sent && !slices.Contains(out.Asked, now.To) {
			out.Asked = append(out.Asked, now.To)
		}
		out.Unclear, out.Ignored = now.Unclear, now.Ignored // each counts all that came so far
		if a := now.Answer; a != nil && out.At == nil {
			out.Answer, out.Justification, out.By, out.At = a.Answer, a.Justification, a.By, &a.At
		}
	}
	return out
}
