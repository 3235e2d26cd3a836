/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp: the messages of OTLP/HTTP's logs in their JSON form: the request that holds an event,
 * and what a collector's answer says (opentelemetry-proto, docs/specification.md, "OTLP/HTTP",
 * and collector/logs/v1/logs_service.proto).  Does no I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "event.h"

/* An ExportLogsServiceRequest with one record, as seen now on this host. */
void otlp_request(const struct event *ev, const char *host, const char *version, struct str *out);

/*
 * What the collector's answer means: 0 the event was taken, negative it was not, and e has the
 * collector's words, made safe to print.  *ret_again: the same request may be sent again.
 * *ret_warning: what it has to say all the same; empty: nothing.
 */
int otlp_answer(long status, const struct str *body, bool *ret_again, struct str *ret_warning,
		struct err *e);
