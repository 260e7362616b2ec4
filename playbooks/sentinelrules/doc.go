// Package sentinelrules carries automation rules of Microsoft Sentinel over into
// rules of the language, and tells what of them it cannot.
//
// A rule that is carried over decides as Sentinel's does, or for fewer
// incidents, never for more: where a condition cannot be carried over, or an
// action without which the others may mean something else, the rule is written
// with enabled: false.
//
// Texts are compared without regard to case. Of a condition with several values a
// positive operator asks for at least one of them, a negative one for none; of a
// property that an incident has several times, a positive one asks for one that
// does, a negative one for none.
//
// Sources: learn.microsoft.com/azure/sentinel/automate-incident-handling-with-automation-rules,
// learn.microsoft.com/azure/sentinel/automation-rule-reference.
package sentinelrules
