/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices: which the container may have and use, at create and where an update
 * names them again.  Pure.
 */
#include <string.h>

#include "policy/internal.h"

static int64_t number_or_any(struct opt_i64 n)
{
	return n.set ? n.v : -1;
}

static bool is_write_rule(const struct spec_device_rule *d)
{
	return d->allow && (!d->access || strpbrk(d->access, "rw"));
}

/* null, zero, full, tty, random, urandom, console, ptmx, pts; and mknod of anything, which the
 * missing capability refuses anyway. */
static bool is_default_rule(const struct spec_device_rule *d)
{
	static const struct { int64_t major, minor; } known[] = {
		{ 1, 3 }, { 1, 5 }, { 1, 7 }, { 1, 8 }, { 1, 9 }, { 5, 0 }, { 5, 1 }, { 5, 2 },
		{ 136, -1 },
	};

	if (!is_write_rule(d))
		return true;
	if (!d->type || strcmp(d->type, "c") != 0)
		return false;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i].major == number_or_any(d->major) &&
		    (known[i].minor < 0 || known[i].minor == number_or_any(d->minor)))
			return true;
	return false;
}

static bool is_default_device(const char *path)
{
	static const char *const known[] = { "/dev/null", "/dev/zero", "/dev/full", "/dev/random",
					     "/dev/urandom", "/dev/tty", "/dev/console", "/dev/ptmx",
					     NULL };

	return str_find(known, path) >= 0;
}

/* What engines make of --privileged: every device may be used. */
static bool is_privileged(const struct spec *s)
{
	const struct spec_resources *r = s->linux_->resources;

	for (size_t i = 0; r && i < r->devices.n; i++) {
		const struct spec_device_rule *d = &r->devices.v[i];

		if (is_write_rule(d) && (!d->type || strcmp(d->type, "a") == 0) &&
		    number_or_any(d->major) < 0 && number_or_any(d->minor) < 0)
			return true;
	}
	return false;
}

int apply_privileged(struct apply *x, struct err *e)
{
	if (!is_privileged(x->in) || x->p->host.may_be_privileged)
		return 0;
	return refuse(e, always(x->a, x->agent),
		      exception(x->a, x->p, "\"privileged\": true to exceptions"),
		      "all devices of the host (--privileged)");
}

/* A device of that number that exceptions.devices lets through by its name. */
static bool is_rule_excepted(const struct apply *x, const struct spec_device_rule *rule)
{
	const struct spec_linux *l = x->in->linux_;

	for (size_t i = 0; i < l->devices.n; i++) {
		const struct spec_device *d = &l->devices.v[i];
		const char *type = strcmp(d->type, "u") == 0 ? "c" : d->type;

		if (d->major == number_or_any(rule->major) &&
		    d->minor == number_or_any(rule->minor) && str_equal(rule->type, type) &&
		    strv_find(&x->p->host.may_devices, d->path) >= 0)
			return true;
	}
	return false;
}

int apply_devices(struct apply *x, struct err *e)
{
	const struct spec_linux *l = x->in->linux_;
	const struct spec_resources *r = l->resources;

	if (x->p->host.may_be_privileged && is_privileged(x->in))
		return 0;
	for (size_t i = 0; i < l->devices.n; i++) {
		const struct spec_device *d = &l->devices.v[i];

		if (is_default_device(d->path) || strv_find(&x->p->host.may_devices, d->path) >= 0)
			continue;
		return refuse(e, always(x->a, x->agent),
			      exception(x->a, x->p, "\"%s\" to exceptions.devices",
					safe_text(x->a, d->path)),
			      "device %s", safe_text(x->a, d->path));
	}
	for (size_t i = 0; r && i < r->devices.n; i++) {
		const struct spec_device_rule *d = &r->devices.v[i];

		if (is_default_rule(d) || is_rule_excepted(x, d))
			continue;
		return refuse(e, always(x->a, x->agent),
			      exception(x->a, x->p, "the device to exceptions.devices"),
			      "access to devices %s %lld:%lld", d->type ? safe_text(x->a, d->type) : "a",
			      (long long)number_or_any(d->major), (long long)number_or_any(d->minor));
	}
	return 0;
}

bool same_devices(const struct spec_resources *a, const struct spec_resources *b)
{
	if (!b || a->devices.n != b->devices.n)
		return false;
	for (size_t i = 0; i < a->devices.n; i++) {
		const struct spec_device_rule *x = &a->devices.v[i], *y = &b->devices.v[i];

		if (x->allow != y->allow || number_or_any(x->major) != number_or_any(y->major) ||
		    number_or_any(x->minor) != number_or_any(y->minor) ||
		    strcmp(x->type ? x->type : "a", y->type ? y->type : "a") != 0 ||
		    strcmp(x->access ? x->access : "", y->access ? y->access : "") != 0)
			return false;
	}
	return true;
}
