/*
 * Linux takes the extended state of a process from a tracer whole or not at all; user-mode Linux has room for what CPUs had before
 * AMX (11,008 bytes with it). So what it sets is completed by what the process has (ptrace(2), NT_X86_XSTATE).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

typedef long (*call)(int, int, void *, void *);

static char whole[1 << 16];

long ptrace(enum __ptrace_request request, ...)
{
	static call next;
	struct iovec given, all = { whole, sizeof(whole) };
	va_list list;
	int pid;
	void *address, *data;

	if (!next)
		next = (call)dlsym(RTLD_NEXT, "ptrace");
	va_start(list, request);
	pid = va_arg(list, int);
	address = va_arg(list, void *);
	data = va_arg(list, void *);
	va_end(list);
	if (request != PTRACE_SETREGSET || (unsigned long)address != NT_X86_XSTATE)
		return next(request, pid, address, data);
	given = *(struct iovec *)data;
	if (next(PTRACE_GETREGSET, pid, address, &all) < 0 || given.iov_len >= all.iov_len)
		return next(request, pid, address, data);
	memcpy(whole, given.iov_base, given.iov_len);
	return next(request, pid, address, &all);
}
