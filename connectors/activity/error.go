package activity

import (
	"errors"
	"regexp"

	"stanch/connectors"
)

// Codes of the API's errors, whose page tells no status for any of them: AF429
// has been seen with 403.
//
// Source: learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference#errors,
// learn.microsoft.com/office/office-365-management-api/troubleshooting-the-office-365-management-activity-api.
const (
	noPermission   = "AF10001"
	noSubscription = "AF20022"
	disabled       = "AF20023"
	alreadyEnabled = "AF20024"
	noContent      = "AF20050"
	expiredContent = "AF20051"
	invalidContent = "AF20052"
	tooMany        = "AF429"
	internalError  = "AF50000"
)

func serviceCode(err error) string {
	if e, is := errors.AsType[*connectors.Error](err); is {
		return e.ServiceCode
	}
	return ""
}

// NoSubscription reports whether an error says that this app has not subscribed
// to the content.
func NoSubscription(err error) bool { return serviceCode(err) == noSubscription }

// explained says what an error of the API means and what to do about it.
func explained(err error, permission string) error {
	e, is := errors.AsType[*connectors.Error](err)
	if !is {
		return err
	}
	switch e.ServiceCode {
	case noPermission:
		e.Code, e.Permission = connectors.Forbidden, permission
		e.Hint = "it is one of the API Office 365 Management APIs: grant it in Entra > App registrations > API permissions with admin consent"
	case noSubscription:
		e.Code, e.Permission, e.Message = connectors.NotFound, "", "this app has not subscribed to the content"
		e.Hint = "start the subscription once; the first content comes after up to twelve hours"
	case disabled:
		e.Code, e.Permission = connectors.Failed, ""
		e.Hint = "an administrator has ended it: start the subscription again"
	case noContent, expiredContent, invalidContent:
		e.Code, e.Permission = connectors.NotFound, ""
	case tooMany:
		e.Code, e.Permission, e.Hint = connectors.Throttled, "", ""
	case internalError:
		e.Code, e.Permission, e.Hint = connectors.Unavailable, "", ""
	}
	return err
}

var codeForm = regexp.MustCompile(`^AF\d{1,6}$`)

// discreet is an error about content without anything that the service sent in
// its body: that may be what a policy matched.
func discreet(err error) error {
	e, is := errors.AsType[*connectors.Error](err)
	if !is || e.Status == 0 { // no answer: the words are ours
		return err
	}
	out := &connectors.Error{
		Op: e.Op, Code: e.Code, Status: e.Status, Permission: e.Permission, Wait: e.Wait, Cause: e.Cause,
		Message: "the content cannot be read; why is not shown, for it may hold what a policy matched",
	}
	if codeForm.MatchString(e.ServiceCode) {
		out.ServiceCode = e.ServiceCode
	}
	if connectors.IsGUID(e.RequestID) {
		out.RequestID = e.RequestID
	}
	return out
}
