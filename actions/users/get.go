package users

import (
	"context"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
)

type getParams struct {
	User             actions.Ref[incident.User] `json:"user" entity:"user" doc:"user of the evidence, user principal name, object id, or entra:<object id>"`
	WithoutLeaveDate bool                       `json:"without_leave_date,omitempty" doc:"do not ask when the user leaves, for which the app needs User-LifeCycleInfo.Read.All"`
}

// person is what is told of a user.
type person struct {
	ID         string `json:"id" doc:"object id"`
	UPN        string `json:"upn" doc:"user principal name"`
	Name       string `json:"name" doc:"display name"`
	Mail       string `json:"mail,omitempty" doc:"mail address; absent when there is none"`
	Title      string `json:"title,omitempty" doc:"job title; absent when there is none"`
	Department string `json:"department,omitempty" doc:"department; absent when there is none"`
	Guest      bool   `json:"guest" doc:"whether the account is of another organization"`
	Enabled    bool   `json:"enabled" doc:"whether the user may sign in"`
}

type userFound struct {
	User              person     `json:"user" doc:"who it is"`
	Synced            bool       `json:"synced" doc:"whether the account's home is an Active Directory, which has the last word"`
	SessionsValidFrom *time.Time `json:"sessions_valid_from,omitempty" doc:"sessions begun before are not valid; absent when Entra does not tell"`
	LeaveDate         *time.Time `json:"leave_date,omitempty" doc:"when the user leaves, or has left; absent when no date is set, or it was not asked for"`
	Leaving           bool       `json:"leaving" doc:"whether a leave date is set"`
	Left              bool       `json:"left" doc:"whether that date has passed"`
}

// Get looks a user up.
func (s Shelf) Get() actions.Action {
	return actions.Spec[getParams, userFound]{
		Doc:   "Look a user up in Microsoft Entra, with the date on which they leave.",
		Class: actions.Reads, Throttle: throttle, Cost: actions.Cost{Look: 2}, Permissions: permissions("User-LifeCycleInfo.Read.All"),
		Source:  "https://learn.microsoft.com/graph/api/user-get",
		Example: "user: \"${{ user }}\"",
		Read:    s.get,
	}.Action()
}

func (s Shelf) get(ctx context.Context, c actions.Call, p getParams) (userFound, error) {
	u, _, err := s.find(ctx, p.User)
	if err != nil {
		return userFound{}, err
	}
	out := userFound{User: personOf(u), Synced: u.Synced, SessionsValidFrom: sessionsOf(u).ValidFrom}
	if p.WithoutLeaveDate {
		return out, nil
	}
	leaves, err := s.Graph.LeaveDate(ctx, u.ID)
	if err != nil {
		return userFound{}, err
	}
	if !leaves.IsZero() {
		out.LeaveDate, out.Leaving, out.Left = new(leaves.UTC()), true, !leaves.After(c.Now)
	}
	return out, nil
}

func personOf(u graph.User) person {
	return person{
		ID: u.ID, UPN: u.UPN, Name: u.Name, Mail: u.Mail, Title: u.Title, Department: u.Department,
		Guest: isGuest(u), Enabled: u.Enabled,
	}
}

func isGuest(u graph.User) bool { return strings.EqualFold(u.Type, "Guest") }
