package graph

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"stanch/connectors"
)

// Risk is what Identity Protection thinks of a user.
type Risk struct {
	ID         string    `json:"id"`
	State      string    `json:"riskState"`  // none, confirmedSafe, remediated, dismissed, atRisk, confirmedCompromised
	Level      string    `json:"riskLevel"`  // low, medium, high, hidden, none
	Detail     string    `json:"riskDetail"` // why
	Processing bool      `json:"isProcessing"`
	UpdatedAt  time.Time `json:"riskLastUpdatedDateTime"`
}

// UserRisk reads the risk of a user by object id; not_found if Identity
// Protection has never seen any.
//
// Source: learn.microsoft.com/graph/api/riskyuser-get.
func (c *Client) UserRisk(ctx context.Context, id string) (Risk, error) {
	var r Risk
	op := "get risk of user " + connectors.Plain(id)
	reply, err := c.api.Read(ctx, connectors.Request{
		Op: op, Path: connectors.To("identityProtection", "riskyUsers", id), Permission: riskRead,
	}, &r)
	if err == nil && !strings.EqualFold(r.ID, id) {
		return Risk{}, other(op, id, r.ID, reply.RequestID)
	}
	return r, premium(err)
}

// ConfirmCompromised tells Identity Protection that the account of a user, by
// object id, is in other hands: the risk is high from then on, and policies of
// conditional access that look at it block or ask for a new password. Identity
// Protection allows one request per second and does not say when to come again.
//
// Source: learn.microsoft.com/graph/api/riskyuser-confirmcompromised.
func (c *Client) ConfirmCompromised(ctx context.Context, ch connectors.Change, id string) error {
	return c.judge(ctx, ch, "confirm as compromised", "confirmCompromised", id)
}

// DismissRisk tells Identity Protection that there is no risk, whatever it had
// seen.
//
// Source: learn.microsoft.com/graph/api/riskyuser-dismiss.
func (c *Client) DismissRisk(ctx context.Context, ch connectors.Change, id string) error {
	return c.judge(ctx, ch, "dismiss risk of", "dismiss", id)
}

func (c *Client) judge(ctx context.Context, ch connectors.Change, what, verb, id string) error {
	op := what + " user " + connectors.Plain(id)
	if !connectors.IsGUID(id) { // a UPN would be taken, and do nothing
		return invalid(op, "%q is no object id", connectors.Plain(id))
	}
	_, err := c.api.Send(ctx, ch, connectors.Request{
		Op: op, Method: http.MethodPost, Path: connectors.To("identityProtection", "riskyUsers", verb), Permission: riskWrite,
		Body: map[string][]string{"userIds": {id}},
	}, nil)
	return premium(err)
}

// premium says what else a forbidden call of Identity Protection may lack.
func premium(err error) error {
	if e, is := errors.AsType[*connectors.Error](err); is && e.Code == connectors.Forbidden {
		e.Hint += "; Identity Protection also needs a licence of Microsoft Entra ID P2"
	}
	return err
}
