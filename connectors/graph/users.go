package graph

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"stanch/connectors"
)

// User is a person or guest of the directory.
type User struct {
	ID         string `json:"id"`
	UPN        string `json:"userPrincipalName"`
	Name       string `json:"displayName"`
	Mail       string `json:"mail"`
	Type       string `json:"userType"` // Member, Guest
	Department string `json:"department"`
	Title      string `json:"jobTitle"`
	Enabled    bool   `json:"accountEnabled"`
	// Synced is a user whose home is an Active Directory: what is changed in
	// Entra alone, the next synchronization may change back.
	Synced bool `json:"onPremisesSyncEnabled"`
	// SessionsValidFrom is when refresh tokens were last revoked.
	SessionsValidFrom time.Time `json:"signInSessionsValidFromDateTime"`
}

const userFields = "id,userPrincipalName,displayName,mail,userType,department,jobTitle,accountEnabled,onPremisesSyncEnabled,signInSessionsValidFromDateTime"

// User reads a user by object id or UPN.
//
// Source: learn.microsoft.com/graph/api/user-get.
func (c *Client) User(ctx context.Context, id string) (User, error) {
	op := "get user " + connectors.Plain(id)
	u, reply, err := c.user(ctx, op, connectors.To("users", id))
	if err == nil && !strings.EqualFold(u.ID, id) && !strings.EqualFold(u.UPN, id) {
		return User{}, other(op, id, first(u.UPN, u.ID), reply.RequestID)
	}
	return u, err
}

// UserNamed reads the user whom the first of the names tells that is a UPN or
// an object id; entra: may stand before it.
func (c *Client) UserNamed(ctx context.Context, names ...string) (User, error) {
	for _, name := range names {
		name = strings.TrimPrefix(strings.TrimSpace(name), "entra:")
		if strings.Contains(name, "@") || connectors.IsGUID(name) {
			return c.User(ctx, name)
		}
	}
	e := &connectors.Error{Op: "graph: get user", Code: connectors.Invalid, Message: "no user is named"}
	if len(names) > 0 {
		e.Message = fmt.Sprintf("%q names no user of Microsoft Entra", connectors.Plain(names[len(names)-1]))
		e.Hint = "expected a user of the evidence with upn or entra_id, a user principal name, or an object id"
	}
	return User{}, e
}

// Manager reads a user's manager; not_found if there is none.
//
// Source: learn.microsoft.com/graph/api/user-list-manager.
func (c *Client) Manager(ctx context.Context, id string) (User, error) {
	u, _, err := c.user(ctx, "get manager of user "+connectors.Plain(id), connectors.To("users", id, "manager"))
	return u, err
}

func (c *Client) user(ctx context.Context, op string, path connectors.Path) (User, connectors.Reply, error) {
	var u User
	reply, err := c.api.Read(ctx, connectors.Request{
		Op: op, Path: path, Permission: userRead, Query: []connectors.Param{{Key: "$select", Value: userFields}},
	}, &u)
	if err == nil && u.ID == "" {
		err = &connectors.Error{Op: "graph: " + op, Code: connectors.Failed, RequestID: reply.RequestID, Message: "the answer names no user: id is missing"}
	}
	return u, reply, err
}

// LeaveDate reads when a user leaves; zero if no date is set. It needs a
// permission of its own.
//
// Source: learn.microsoft.com/graph/tutorial-lifecycle-workflows-set-employeeleavedatetime.
func (c *Client) LeaveDate(ctx context.Context, id string) (time.Time, error) {
	var u struct {
		Leaves *time.Time `json:"employeeLeaveDateTime"`
	}
	_, err := c.api.Read(ctx, connectors.Request{
		Op: "get leave date of user " + connectors.Plain(id), Path: connectors.To("users", id), Permission: lifeCycleRead,
		Query: []connectors.Param{{Key: "$select", Value: "employeeLeaveDateTime"}},
	}, &u)
	if err != nil || u.Leaves == nil {
		return time.Time{}, err
	}
	return *u.Leaves, nil
}

// RevokeSessions makes all refresh tokens of a user invalid; within minutes
// every session asks to sign in. It does not reach guests' home tenants.
//
// Source: learn.microsoft.com/graph/api/user-revokesigninsessions.
func (c *Client) RevokeSessions(ctx context.Context, ch connectors.Change, id string) error {
	op := "revoke sessions of user " + connectors.Plain(id)
	var out struct {
		Value *bool `json:"value"`
	}
	reply, err := c.api.Send(ctx, ch, connectors.Request{
		Op: op, Method: http.MethodPost, Path: connectors.To("users", id, "revokeSignInSessions"), Permission: revokeSessions,
	}, &out)
	if err == nil && reply.Status == http.StatusOK && (out.Value == nil || !*out.Value) {
		return unsaid(op, "that they were revoked", reply)
	}
	return err
}

// SetAccountEnabled lets a user sign in or not. Of a user who holds a directory
// role it is forbidden unless the app holds one that stands above; the error
// says both what may be missing. What is open in a browser or an app stays so
// for up to an hour: see RevokeSessions.
//
// Source: learn.microsoft.com/graph/api/user-update.
func (c *Client) SetAccountEnabled(ctx context.Context, ch connectors.Change, id string, enabled bool) error {
	verb := "disable"
	if enabled {
		verb = "enable"
	}
	_, err := c.api.Send(ctx, ch, connectors.Request{
		Op: verb + " user " + connectors.Plain(id), Method: http.MethodPatch, Path: connectors.To("users", id),
		Permission: userEnable, Body: map[string]bool{"accountEnabled": enabled},
	}, nil)
	if e, is := errors.AsType[*connectors.Error](err); is && e.Code == connectors.Forbidden {
		e.Hint += "; if the app has it, the user holds an administrator's role, which Microsoft protects from apps without one: " +
			"do it by hand, or give the app the role Privileged Authentication Administrator"
	}
	return err
}

// GroupMembers lists the direct members of a group by its object id; members
// that are no users have no UPN.
//
// Source: learn.microsoft.com/graph/api/group-list-members.
func (c *Client) GroupMembers(ctx context.Context, group string) ([]User, error) {
	return list[User](ctx, c, connectors.Request{
		Op: "list members of group " + connectors.Plain(group), Path: connectors.To("groups", group, "members"), Permission: membersRead,
		Query: []connectors.Param{{Key: "$select", Value: "id,userPrincipalName,displayName,mail"}},
	})
}
