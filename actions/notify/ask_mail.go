package notify

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors/graph"
	"stanch/connectors/web"
)

// question is what is asked, and whom.
type question struct {
	channel, from, token string
	since                time.Time
	about                askParams
	people               people
}

// askRequest is one mail of a question as an effect keeps it.
type askRequest struct {
	From  string            `json:"from"`
	To    string            `json:"to"`
	Token string            `json:"token"` // in the subject, and in that of replies
	Title string            `json:"title"`
	Text  string            `json:"text"`
	Facts map[string]string `json:"facts"`
	// Hear are those whose word counts once the mail is sent; the first Before
	// of them were asked earlier.
	Hear   []hearer         `json:"hear"`
	Before int              `json:"before"`
	Since  time.Time        `json:"since"` // nobody has answered before
	Wait   actions.Duration `json:"wait"`  // for an answer, until the next mail or the end
}

// hearer is a person who was asked, by the names that a mail may say.
type hearer struct {
	Address string `json:"address"`
	UPN     string `json:"upn"`
}

func (h hearer) is(address string) bool {
	return strings.EqualFold(address, h.Address) || strings.EqualFold(address, h.UPN)
}

// asking is the state of a question: whether it was asked, and what came back.
type asking struct {
	Sent    bool    `json:"sent"`
	To      string  `json:"to,omitempty"`
	Answer  *answer `json:"answer,omitempty"`
	Unclear int     `json:"unclear,omitempty"`
	Ignored int     `json:"ignored,omitempty"`
}

// planned is a mail and when it is due, counted from the first.
type planned struct {
	at      time.Duration
	name    string // what people call it
	prefix  string // of the subject
	why     string // why the person is asked, before all else
	to      graph.User
	request askRequest
}

// mails are the question, the reminder and the question to the manager, as far
// as they come before the end, in order.
func (q question) mails(t times) []planned {
	owner, manager := q.people.owner, q.people.manager
	name := owner.UPN + " (" + owner.Name + ")"
	first := planned{name: "question", to: owner, why: "This is a question about a file of yours, named below."}
	if !answers(owner) {
		first.to, first.why = *manager, "This is a question about a file of "+name+", who cannot be asked. You are as their manager."
		manager = nil
	}
	list := []planned{first}
	if t.remind > 0 && t.remind < t.end {
		again := first
		again.at, again.name, again.prefix = t.remind, "reminder", "Reminder: "
		list = append(list, again)
	}
	if manager != nil && t.escalate > 0 && t.escalate < t.end {
		list = append(list, planned{
			at: t.escalate, name: "question", to: *manager,
			why: "This is a question about a file of " + name + ", who was asked and has not answered. You are asked as their manager; they may still answer, too.",
		})
	}
	slices.SortStableFunc(list, func(a, b planned) int { return cmp.Compare(a.at, b.at) })
	hear := []hearer{}
	for i := range list {
		next := t.end
		if i+1 < len(list) {
			next = list[i+1].at
		}
		before := len(hear)
		if one := (hearer{list[i].to.Mail, list[i].to.UPN}); !slices.Contains(hear, one) {
			hear = append(hear, one)
		}
		list[i].request = q.request(list[i], t.end-list[i].at)
		list[i].request.Hear, list[i].request.Before, list[i].request.Wait = slices.Clone(hear), before, actions.Duration(next-list[i].at)
	}
	return list
}

const (
	defaultQuestion = "It is shared with others. Why is it, and what is to become of that?"
	maxQuestion     = 3000 // characters
)

// request writes a mail. What the person is to do stands before what an attacker
// may have written.
func (q question) request(m planned, left time.Duration) askRequest {
	ask := q.about.Question
	if strings.TrimSpace(ask) == "" {
		ask = defaultQuestion
	}
	if r := []rune(ask); len(r) > maxQuestion {
		ask = string(r[:maxQuestion]) + "…"
	}
	facts := map[string]string{"File": q.about.File}
	if m.to.ID != q.people.owner.ID {
		facts["Owner"] = q.people.owner.UPN
	}
	return askRequest{
		From: q.from, To: m.to.Mail, Token: q.token, Since: q.since, Facts: facts,
		Title: "[" + q.token + "] " + m.prefix + "What is to become of " + q.about.File + "?",
		Text: m.why + "\n\nReply to this mail, leave its subject as it is, and write one of these into the first line, and below it why:\n\n" + choices() +
			"\n\nWithout an answer within " + spell(left) + " it is decided without you.\n\n" + ask,
	}
}

func (r askRequest) message() web.Message {
	return web.Message{Title: r.Title, Text: r.Text, Facts: web.FactsOf(r.Facts)}
}

// spell writes a duration for people, in its largest whole unit.
func spell(d time.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if n := d / unit.of; n > 0 && d%unit.of == 0 || unit.of == time.Minute {
			if n == 1 {
				return "1 " + unit.name
			}
			return fmt.Sprintf("%d %ss", n, unit.name)
		}
	}
	return d.String()
}

// effect is a mail as an effect.
func (q question) effect(m planned, nth int) actions.Effect {
	return actions.Effect{
		Target: actions.Target{
			Kind: "message", ID: "email/" + q.channel + "/" + q.token + "/" + strconv.Itoa(nth), Name: m.name + " to " + m.request.To + " about " + q.about.File,
			Entities: []actions.Entity{{Kind: "channel", ID: q.channel}, q.people.entity()},
		},
		Before: actions.JSON(asking{}), After: actions.JSON(asking{Sent: true, To: m.request.To}), Request: actions.JSON(m.request),
	}
}
