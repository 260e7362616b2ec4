// Package shadow compares what runs in shadow would have done with what was done:
// by the live version of the same playbook, and by people, as far as the incident
// shows it.
//
// Only what is known counts. What people do to files, devices and accounts, no
// store of ours tells; what is still open, may come; what was so already when the
// shadow run looked, it did not plan. All that is told as not known, never as
// agreement.
//
// It reads nothing and decides nothing: it is given runs and incidents.
package shadow
