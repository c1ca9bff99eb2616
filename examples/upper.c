/*
 * Copyright (c) the inetdtw authors.
 * See LICENSE for details.
 *
 * dgram udp wait: send one datagram back to its sender in upper case.
 */

#define _POSIX_C_SOURCE 200809L

#include <ctype.h>
#include <sys/socket.h>

int
main(void)
{
	static unsigned char datagram[65536];
	struct sockaddr_storage sender;
	socklen_t length = sizeof sender;
	ssize_t count, i;

	count = recvfrom(0, datagram, sizeof datagram, 0,
	    (struct sockaddr *)&sender, &length);
	if (count < 0)
		return 1;
	for (i = 0; i < count; i++)
		datagram[i] = (unsigned char)toupper(datagram[i]);
	return sendto(0, datagram, (size_t)count, 0,
	    (struct sockaddr *)&sender, length) != count;
}
