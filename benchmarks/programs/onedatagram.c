/* Copyright (c) the inetdtw authors.  See LICENSE for details.
 *
 * A "dgram wait" service: sends one datagram back to where it came from, and ends. */

#include <sys/socket.h>
#include <netinet/in.h>

int main(void)
{
    static char text[65536];
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    ssize_t size = recvfrom(0, text, sizeof text, 0, (struct sockaddr *)&peer, &length);

    if (size < 0)
        return 1;
    return sendto(0, text, size, 0, (struct sockaddr *)&peer, length) != size;
}
