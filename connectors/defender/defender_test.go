package defender_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"stanch/connectors"
	"stanch/connectors/defender"
	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

func start(t *testing.T, app practice.App, o practice.Options) (*practicetest.Server, *defender.Client) {
	t.Helper()
	s := practicetest.Start(t, o)
	cloud := connectors.PracticeCloud(s.URL, s.CAPEM)
	cred, err := connectors.NewCredential(cloud, connectors.Auth{
		Kind: connectors.ClientSecret, Tenant: practice.ContosoTenantID, Client: app.ID, Secret: connectors.Secret(app.Secret),
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := defender.New(cloud, cred, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

func effect(n int) connectors.Change {
	return connectors.Change{ID: fmt.Sprint("effect-", n), SendBy: time.Now().Add(time.Minute)}
}

func wantCode(t *testing.T, err error, code connectors.Code, texts ...string) *connectors.Error {
	t.Helper()
	e, is := errors.AsType[*connectors.Error](err)
	if !is || e.Code != code {
		t.Fatalf("error %v; want one that is %s", err, code)
	}
	for _, text := range texts {
		if !strings.Contains(e.Error(), text) {
			t.Errorf("the error does not say %q: %v", text, e)
		}
	}
	return e
}

// device answers a machine of the company, found by its name.
func device(t *testing.T, c *defender.Client) defender.Machine {
	t.Helper()
	name := practice.Contoso(0).Devices[0].Name
	found, err := c.MachinesNamed(t.Context(), name)
	if err != nil || len(found) != 1 || len(found[0].ID) != 40 || found[0].EntraID == "" {
		t.Fatalf("machine %s: %+v, %v", name, found, err)
	}
	return found[0]
}

func TestAMachineIsFoundHoweverItIsNamed(t *testing.T) {
	_, c := start(t, practice.FullApp(), practice.Options{})
	d := device(t, c)
	ctx := t.Context()
	m, err := c.Machine(ctx, strings.ToUpper(d.ID))
	if err != nil || m.ID != d.ID || m.Name == "" || m.Health == "" || m.LastSeen.IsZero() {
		t.Fatalf("%+v, %v", m, err)
	}
	byName, err := c.MachinesNamed(ctx, m.Name)
	if err != nil || len(byName) != 1 || byName[0].ID != d.ID {
		t.Errorf("%+v, %v", byName, err)
	}
	byEntra, err := c.MachinesOfEntra(ctx, d.EntraID)
	if err != nil || len(byEntra) != 1 || byEntra[0].ID != d.ID {
		t.Errorf("%+v, %v", byEntra, err)
	}
	none, err := c.MachinesNamed(ctx, "no'such' or 1 eq 1")
	if err != nil || none == nil || len(none) != 0 {
		t.Errorf("%+v, %v", none, err)
	}
	_, err = c.Machine(ctx, strings.Repeat("0", 40))
	wantCode(t, err, connectors.NotFound, "defender: get machine 0000")
	_, err = c.MachinesOfEntra(ctx, "x' or 1 eq 1")
	wantCode(t, err, connectors.Invalid)
	_, err = c.MachinesNamed(ctx, "")
	wantCode(t, err, connectors.Invalid)
	_, err = c.Machine(ctx, "../machines")
	wantCode(t, err, connectors.Invalid)
}

func TestIsolationIsAskedForOnceAndEnds(t *testing.T) {
	s, c := start(t, practice.FullApp(), practice.Options{MachineActionTime: time.Hour})
	d := device(t, c)
	ctx := t.Context()
	a, err := c.Isolate(ctx, effect(1), d.ID, "mass download", defender.Full)
	if err != nil || a.ID == "" || a.Ended() || a.Type != "Isolate" || a.Scope != "Full" || a.Comment != "mass download" {
		t.Fatalf("%+v, %v", a, err)
	}
	_, err = c.Isolate(ctx, effect(2), d.ID, "again", defender.Full)
	e := wantCode(t, err, connectors.Conflict, "already in progress")
	if !e.InProgress() || e.Unsure() {
		t.Errorf("in progress %v, unsure %v", e.InProgress(), e.Unsure())
	}
	now, err := c.MachineAction(ctx, a.ID)
	if err != nil || now.Ended() {
		t.Errorf("%+v, %v", now, err)
	}
	all, err := c.MachineActions(ctx, d.ID, "Isolate")
	if err != nil || len(all) != 1 || all[0].ID != a.ID {
		t.Errorf("%+v, %v", all, err)
	}
	if changes := s.Tenant.Changes(); len(changes) != 1 || changes[0].RequestID != "effect-1" {
		t.Errorf("changes %+v", changes)
	}
	_, err = c.Isolate(ctx, effect(3), d.ID, "x", "full")
	wantCode(t, err, connectors.Invalid, "expected Full or Selective")
	_, err = c.MachineActions(ctx, "", "Isolate")
	wantCode(t, err, connectors.Invalid)
}

func TestAnIsolatedMachineIsReleased(t *testing.T) {
	_, c := start(t, practice.FullApp(), practice.Options{MachineActionTime: time.Millisecond})
	d := device(t, c)
	ctx := t.Context()
	wait := func(a defender.MachineAction, err error) defender.MachineAction {
		t.Helper()
		for err == nil && !a.Ended() {
			a, err = c.MachineAction(ctx, a.ID)
		}
		if err != nil || !a.Succeeded() {
			t.Fatalf("%+v, %v", a, err)
		}
		return a
	}
	wait(c.Isolate(ctx, effect(1), d.ID, "contain", defender.Selective))
	wait(c.Unisolate(ctx, effect(2), d.ID, "over"))
	all, err := c.MachineActions(ctx, d.ID, "")
	if err != nil || len(all) != 2 || all[0].Type != "Unisolate" {
		t.Errorf("newest first: %+v, %v", all, err)
	}
}

func TestForbiddenCallsNameThePermission(t *testing.T) {
	s, c := start(t, practice.ReaderApp(), practice.Options{})
	_, err := c.Isolate(t.Context(), effect(1), device(t, c).ID, "x", defender.Full)
	if e := wantCode(t, err, connectors.Forbidden, "needs the application permission Machine.Isolate"); e.Unsure() {
		t.Error("unsure")
	}
	if len(s.Tenant.Changes()) != 0 {
		t.Error("something changed")
	}
}

func TestBad104And105And109WhatDefenderAnswers(t *testing.T) {
	s, c := start(t, practice.FullApp(), practice.Options{})
	fault := func(f string) {
		res, err := http.Post(s.PlainURL+"/practice/faults", "application/json", strings.NewReader(f))
		if err != nil || res.StatusCode >= 300 {
			t.Fatal(res, err)
		}
		_ = res.Body.Close()
	}
	d := device(t, c)
	fault(`[{"method":"GET","path":"/api/machines/*","times":1,"status":200,"body":{"id":"1111111111111111111111111111111111111111"}}]`)
	_, err := c.Machine(t.Context(), d.ID)
	wantCode(t, err, connectors.Failed, "asked was")
	fault(`[{"method":"POST","path":"/api/machines/*/isolate","times":1,"status":201,"body":{"id":"a","machineId":"1111"}}]`)
	_, err = c.Isolate(t.Context(), effect(1), d.ID, "x", defender.Full)
	if e := wantCode(t, err, connectors.Failed, "asked was"); !e.Unsure() {
		t.Error("sure about an answer of something else")
	}
	fault(`[{"method":"POST","path":"/api/machines/*/isolate","times":1,"status":429,"headers":{"Retry-After":"12"}}]`)
	_, err = c.Isolate(t.Context(), effect(2), d.ID, "x", defender.Full)
	if e := wantCode(t, err, connectors.Throttled); e.Unsure() || e.Wait != 12*time.Second {
		t.Errorf("%+v", e)
	}
	for _, status := range []string{"Failed", "TimeOut", "Cancelled", "Succeeded"} {
		a := defender.MachineAction{Status: status}
		if !a.Ended() || a.Succeeded() != (status == "Succeeded") {
			t.Errorf("%s: ended %v, succeeded %v", status, a.Ended(), a.Succeeded())
		}
	}
}
