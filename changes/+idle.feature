Many idle services no longer slow down the others: a fork server has the sockets of all but 64 only once they have had a client.
