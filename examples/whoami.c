/*
 * Copyright (c) the inetdtw authors.
 * See LICENSE for details.
 *
 * stream tcp nowait: print the client's address and the service's address, then
 * echo the client's input.
 */

#define _POSIX_C_SOURCE 200809L

#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

typedef int (*addressgetter)(int, struct sockaddr *, socklen_t *);

static int
say(const char *label, addressgetter get)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof address;
	char host[256], port[32];

	if (get(0, (struct sockaddr *)&address, &length) != 0 ||
	    getnameinfo((struct sockaddr *)&address, length, host, sizeof host,
	    port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return -1;
	return printf("%s %s port %s\n", label, host, port);
}

static int
writeall(const char *bytes, ssize_t count)
{
	while (count > 0) {
		ssize_t written = write(1, bytes, (size_t)count);

		if (written < 0)
			return -1;
		bytes += written;
		count -= written;
	}
	return 0;
}

int
main(void)
{
	char buffer[8192];
	ssize_t count;

	if (say("you are", getpeername) < 0 || say("I am", getsockname) < 0 ||
	    fflush(stdout) != 0)
		return 1;
	while ((count = read(0, buffer, sizeof buffer)) > 0)
		if (writeall(buffer, count) != 0)
			return 1;
	return count < 0;
}
